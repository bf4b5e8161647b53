// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "plugin/daemon/control_reply.hpp"
#include "plugin/daemon/control_server.hpp"
#include "plugin/ring/control_protocol.hpp"

namespace diskhb::daemon {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(control_request, is_read_from_one_line_of_json) {
    EXPECT_EQ(parse_request("{\"verb\":\"status\"}").verb, request_verb::status);
    EXPECT_EQ(parse_request("{\"verb\":\"version\"}").verb, request_verb::version);
    const auto ping =
        parse_request("{\"verb\":\"ping\",\"ring\":\"dhb1\",\"node\":2,\"timeout_ms\":50}");
    EXPECT_EQ(ping.verb, request_verb::ping);
    EXPECT_EQ(ping.ring, "dhb1");
    EXPECT_EQ(ping.node_id, 2U);
    EXPECT_EQ(ping.timeout, std::chrono::milliseconds(50));
}

TEST(control_request, of_any_other_kind_is_invalid_with_a_reason) {
    for (const char* line :
         {"", "x", "[]", "1", "{}", "{\"verb\":1}", "{\"verb\":\"stop\"}", "{\"verb\":\"ping\"}",
          "{\"verb\":\"ping\",\"node\":0}", "{\"verb\":\"ping\",\"node\":65536}",
          "{\"verb\":\"ping\",\"node\":\"n2\"}", "{\"verb\":\"ping\",\"node\":-1}",
          "{\"verb\":\"ping\",\"node\":1.5}", "{\"verb\":\"ping\",\"node\":1,\"ring\":7}",
          "{\"verb\":\"ping\",\"node\":1,\"timeout_ms\":0}",
          "{\"verb\":\"ping\",\"node\":1,\"timeout_ms\":10001}", "{\"verb\":\"status\"", "\xff"}) {
        const auto request = parse_request(line);
        EXPECT_EQ(request.verb, request_verb::invalid) << line;
        EXPECT_FALSE(request.error.empty()) << line;
    }
}

TEST(control_reply, of_a_status_names_rings_peers_and_every_counter) {
    daemon_config config;
    config.cluster_name = "tide";
    config.node_id = 1;
    ring_config ring;
    ring.interface = "dhb0";
    ring.volume = "/dev/\xff";
    ring.address = *corosync::parse_ip_address("10.9.1.1");
    ring.peers = {{2, "n2", *corosync::parse_ip_address("10.9.1.2")}};
    ring_snapshot snapshot;
    snapshot.config = &ring;
    snapshot.engine.state = ring_state::running;
    snapshot.engine.incarnation = 0xfedcba9876543210;
    snapshot.engine.peers.resize(1);
    snapshot.engine.peers[0].node_id = 2;
    snapshot.engine.counters[static_cast<std::size_t>(counter::lost_lapped)] = 7;
    const auto text = status_reply(config, {snapshot}, {}, std::chrono::seconds(5));
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto value = json::parse(text);
    EXPECT_TRUE(value["ok"].get<bool>());
    EXPECT_EQ(value["uptime_s"], 5);
    const auto& first = value["rings"][0];
    EXPECT_EQ(first["state"], "running");
    EXPECT_EQ(first["incarnation"], "fedcba9876543210");
    EXPECT_EQ(first["peers"][0]["name"], "n2");
    EXPECT_EQ(first["peers"][0]["state"], "unknown");
    EXPECT_TRUE(first["peers"][0]["heard_ago_ms"].is_null());
    EXPECT_EQ(first["counters"].size(), counter_count);
    EXPECT_EQ(first["counters"]["lost_lapped"], 7);
    EXPECT_EQ(first["packets"].size(), tunnel_counter_count);
}

TEST(control_reply, of_a_ping_carries_the_exit_code_of_its_failure) {
    const auto code = [](errc error) {
        return json::parse(ping_error_reply(error, 2, std::chrono::milliseconds(10)))["exit_code"]
            .get<int>();
    };
    EXPECT_EQ(code(errc::timed_out), exit_failed);
    EXPECT_EQ(code(errc::no_such_node), exit_usage);
    EXPECT_EQ(code(errc::not_joined), exit_volume);
    EXPECT_EQ(json::parse(ping_reply(std::chrono::microseconds(250)))["rtt_us"], 250.0);
}

// A server in a thread of its own, in a folder of its own; answers with the request in brackets.
class control_server_test : public testing::Test {
  protected:
    control_server_test() {
        char folder[] = "/tmp/control_testXXXXXX";
        folder_ = mkdtemp(folder);
        path_ = folder_ + "/run/sock";
    }
    ~control_server_test() override {
        end();
        (void)!system(("rm -rf " + folder_).c_str());
    }
    void start() {
        server_ = std::make_unique<control_server>(
            loop_, "diskhbd", path_, [](const std::string& line, const auto& answer) {
                std::thread([line, answer] { answer("[" + line + "]"); }).detach();
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    void end() {
        loop_.stop();
        if (thread_.joinable()) {
            thread_.join();
        }
        server_.reset();
    }
    int connect_client() const {
        const int client = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, path_.c_str(), sizeof name.sun_path - 1);
        const timeval limit{10, 0};
        EXPECT_EQ(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
        EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
        return client;
    }
    static void say(int client, const std::string& text) {
        ASSERT_EQ(send(client, text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    // Up to the line feed; empty when the server closed.
    static std::string hear(int client) {
        std::string line;
        char byte = 0;
        while (recv(client, &byte, 1, 0) == 1) {
            if (byte == '\n') {
                return line;
            }
            line += byte;
        }
        return line;
    }

    std::string folder_;
    std::string path_;
    boost::asio::io_context loop_;
    std::unique_ptr<control_server> server_;
    std::thread thread_;
};

TEST_F(control_server_test, answers_several_lines_of_one_connection_in_order) {
    start();
    const int client = connect_client();
    say(client, "one\ntw");
    EXPECT_EQ(hear(client), "[one]");
    say(client, "o\nthree\n");
    EXPECT_EQ(hear(client), "[two]");
    EXPECT_EQ(hear(client), "[three]");
    close(client);
}

TEST_F(control_server_test, closes_a_connection_whose_line_never_ends) {
    start();
    const int client = connect_client();
    say(client, std::string(request_bytes_max + 1, 'x'));
    EXPECT_THAT(hear(client), HasSubstr("at most 4096 bytes"));
    EXPECT_EQ(hear(client), "");
    close(client);
}

TEST_F(control_server_test, refuses_more_connections_than_it_serves) {
    start();
    std::vector<int> clients;
    for (std::size_t index = 0; index < control_server::connections_max; ++index) {
        clients.push_back(connect_client());
        say(clients.back(), "x\n");
        EXPECT_EQ(hear(clients.back()), "[x]");
    }
    const int late = connect_client();
    EXPECT_THAT(hear(late), HasSubstr("connections"));
    EXPECT_EQ(hear(late), "");
    close(late);
    for (const int client : clients) {
        close(client);
    }
}

TEST_F(control_server_test, is_open_to_root_and_its_group_only) {
    start();
    struct stat found {};
    ASSERT_EQ(stat(path_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0660U);
}

TEST_F(control_server_test, replaces_a_dead_socket_but_not_a_live_one) {
    start();
    boost::asio::io_context other;
    try {
        const control_server second(other, "diskhbd", path_, [](const auto&, const auto&) {});
        FAIL();
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_in_use);
        EXPECT_THAT(error.what(), HasSubstr("another diskhbd"));
    }
    end();
    const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path_.c_str(), sizeof name.sun_path - 1);
    ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    close(dead);
    EXPECT_NO_THROW(control_server(other, "diskhbd", path_, [](const auto&, const auto&) {}));
}

TEST_F(control_server_test, does_not_remove_a_file_that_is_no_socket) {
    mkdir((folder_ + "/run").c_str(), 0755);
    std::ofstream(path_) << "precious";
    EXPECT_THROW(start(), setup_error);
    EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace diskhb::daemon
