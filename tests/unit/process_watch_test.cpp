// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/process_watch.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>

namespace diskhb::quorum {
namespace {

// A child that sleeps, and the file with its number.
class process_watch_on_child : public testing::Test {
  protected:
    process_watch_on_child() {
        const char* arguments[] = {"/bin/sleep", "1000", nullptr};
        EXPECT_EQ(posix_spawn(&pid_, arguments[0], nullptr, nullptr,
                              const_cast<char* const*>(arguments), environ),
                  0);
        const int fd = mkstemp(file_.data());
        EXPECT_GE(fd, 0);
        close(fd);
        std::ofstream(file_) << pid_ << "\n";
        await_name("sleep");
    }
    ~process_watch_on_child() override {
        end();
        unlink(file_.c_str());
    }
    // posix_spawn returns a moment before the kernel gives the child its new name.
    void await_name(const std::string& name) const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        std::string found;
        while (found != name && std::chrono::steady_clock::now() < end) {
            std::ifstream comm("/proc/" + std::to_string(pid_) + "/comm");
            std::getline(comm, found);
        }
        EXPECT_EQ(found, name);
    }
    void end() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            EXPECT_EQ(waitpid(pid_, nullptr, 0), pid_);
            pid_ = 0;
        }
    }

    pid_t pid_ = 0;
    std::string file_ = "/dev/shm/diskhb-pid-XXXXXX";
    boost::asio::io_context loop_;
    process_watch watch_{loop_};
};

TEST_F(process_watch_on_child, tells_when_the_process_has_ended_and_not_before) {
    ASSERT_TRUE(watch_.follow(file_, "sleep"));
    bool has_ended = false;
    watch_.when_ended([&] { has_ended = true; });
    loop_.poll();
    EXPECT_FALSE(has_ended);
    end();
    loop_.run_for(std::chrono::seconds(20));
    EXPECT_TRUE(has_ended);
}

TEST_F(process_watch_on_child, takes_no_other_process_for_it) {
    EXPECT_FALSE(watch_.follow(file_, "corosync"));
    bool has_ended = false;
    watch_.when_ended([&] { has_ended = true; });
    end();
    loop_.run();
    EXPECT_FALSE(has_ended);
}

TEST_F(process_watch_on_child, watches_nothing_without_a_file_or_a_process) {
    EXPECT_FALSE(watch_.follow("/nonexistent/file.pid", "sleep"));
    end();
    EXPECT_FALSE(watch_.follow(file_, "sleep"));
}

}  // namespace
}  // namespace diskhb::quorum
