// SPDX-License-Identifier: BSD-3-Clause
// diskhb::copy_now, asked of a stand-in for diskhbd that notes what it was asked.
#include "diskhb/copy.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "diskhb/error.hpp"

namespace diskhb {
namespace {

using nlohmann::json;

// Answers one connection's one request.
class stand_in {
  public:
    explicit stand_in(std::string reply) : reply_(std::move(reply)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, path().c_str(), sizeof name.sun_path - 1);
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
        EXPECT_EQ(listen(listener_, 1), 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~stand_in() {
        if (thread_.joinable()) {
            thread_.join();
        }
        close(listener_);
        std::filesystem::remove(path());
    }
    stand_in(const stand_in&) = delete;
    stand_in& operator=(const stand_in&) = delete;

    static std::string path() {
        return testing::TempDir() + "copy_now_" + std::to_string(getpid()) + ".sock";
    }
    json asked() {
        thread_.join();
        return json::parse(line_);
    }

  private:
    void serve() {
        const int client = accept(listener_, nullptr, nullptr);
        char byte = 0;
        while (read(client, &byte, 1) == 1 && byte != '\n') {
            line_ += byte;
        }
        const std::string line = reply_ + "\n";
        EXPECT_EQ(write(client, line.data(), line.size()), static_cast<ssize_t>(line.size()));
        close(client);
    }

    std::string reply_;
    std::string line_;
    int listener_ = -1;
    std::thread thread_;
};

copy_request request_to(const std::string& path) {
    copy_request request;
    request.socket_path = path;
    return request;
}

TEST(copy_now, asks_for_all_rings_and_does_not_wait_unless_told_to) {
    stand_in daemon(R"({"ok":true,"copied":false,"took_ms":0.25})");
    const auto done = copy_now(request_to(stand_in::path()));
    EXPECT_FALSE(done.was_copied);
    EXPECT_EQ(done.took.count(), 250'000);
    EXPECT_EQ(daemon.asked(), json::parse(R"({"verb":"copy","wait":false,"timeout_ms":10000})"));
}

TEST(copy_now, asks_another_node_about_one_ring_and_waits) {
    stand_in daemon(R"({"ok":true,"copied":true,"took_ms":12.5})");
    auto request = request_to(stand_in::path());
    request.ring = "dhb1";
    request.from_node = 3;
    request.wait = true;
    request.timeout = std::chrono::milliseconds(700);
    const auto done = copy_now(request);
    EXPECT_TRUE(done.was_copied);
    EXPECT_EQ(done.took.count(), 12'500'000);
    EXPECT_EQ(
        daemon.asked(),
        json::parse(R"({"verb":"copy","wait":true,"timeout_ms":700,"ring":"dhb1","node":3})"));
}

TEST(copy_now, throws_what_the_daemon_says) {
    const stand_in daemon(R"({"ok":false,"error":"no ring dhb7","exit_code":2})");
    try {
        copy_now(request_to(stand_in::path()));
        FAIL() << "nothing was thrown";
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_usage);
        EXPECT_STREQ(error.what(), "no ring dhb7");
    }
}

TEST(copy_now, says_that_no_daemon_answers) {
    try {
        copy_now(request_to("/nowhere/diskhbd.sock"));
        FAIL() << "nothing was thrown";
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_no_daemon);
        EXPECT_NE(std::string(error.what()).find("/nowhere/diskhbd.sock"), std::string::npos);
    }
}

TEST(copy_now, takes_an_answer_that_says_less_for_not_copied) {
    const stand_in daemon(R"({"ok":true,"copied":"yes"})");
    EXPECT_FALSE(copy_now(request_to(stand_in::path())).was_copied);
}

}  // namespace
}  // namespace diskhb
