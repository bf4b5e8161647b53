// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/heuristics.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <string>

namespace diskhb::quorum {
namespace {

using testing::HasSubstr;
using when = heuristics_config::when;

// Runs the loop until there is a result.
class heuristics_run : public testing::Test {
  protected:
    heuristics_run() {
        config_.mode = when::sync;
        config_.timeout = milliseconds(10000);
        config_.sync_timeout = milliseconds(10000);
    }

    void command(const std::string& name, const std::vector<std::string>& words) {
        config_.commands.push_back({name, words});
    }
    heuristics& start() {
        subject_.emplace(loop_, config_, [this](bool passed, const std::string& why) {
            passed_ = passed;
            why_ = why;
            ++results_;
        });
        subject_->start();
        return *subject_;
    }
    bool result() {
        passed_.reset();
        while (!passed_ && loop_.run_one_for(std::chrono::seconds(20)) != 0) {
        }
        EXPECT_TRUE(passed_.has_value()) << "no result";
        return passed_.value_or(false);
    }

    boost::asio::io_context loop_;
    heuristics_config config_;
    std::optional<heuristics> subject_;
    std::optional<bool> passed_;
    std::string why_;
    int results_ = 0;
};

TEST_F(heuristics_run, passes_when_all_commands_do) {
    command("one", {"/bin/true"});
    command("two", {"/bin/sh", "-c", "exit 0"});
    start();
    EXPECT_TRUE(result());
    EXPECT_EQ(why_, "");
}

TEST_F(heuristics_run, fails_when_one_command_does_and_says_which) {
    command("fine", {"/bin/true"});
    command("broken", {"/bin/sh", "-c", "exit 3"});
    start();
    EXPECT_FALSE(result());
    EXPECT_EQ(why_, "broken: exit status 3");
}

TEST_F(heuristics_run, fails_for_a_program_that_is_not_there) {
    command("ghost", {"/nonexistent/program"});
    start();
    EXPECT_EQ(results_, 1);
    EXPECT_FALSE(*passed_);
    EXPECT_THAT(why_, HasSubstr("ghost: cannot be started: No such file"));
}

TEST_F(heuristics_run, fails_for_a_command_that_dies) {
    command("mortal", {"/bin/sh", "-c", "kill -TERM $$"});
    start();
    EXPECT_FALSE(result());
    EXPECT_EQ(why_, "mortal: ended by signal 15");
}

TEST_F(heuristics_run, kills_a_command_and_its_children_when_the_time_is_over) {
    std::string file = "/dev/shm/diskhb-heuristics-XXXXXX";
    const int fd = mkstemp(file.data());
    ASSERT_GE(fd, 0);
    command("slow", {"/bin/sh", "-c", "sleep 1000 & echo $! > " + file + "; wait"});
    pid_t grandchild = 0;
    // On a busy machine the shell may not come to its first command in time: then once more, with
    // more.
    for (auto limit = milliseconds(300); grandchild == 0 && limit < std::chrono::seconds(20);
         limit *= 2) {
        config_.timeout = limit;
        start();
        EXPECT_FALSE(result());
        EXPECT_EQ(why_, fmt::format("slow: no answer within {} ms", limit.count()));
        loop_.restart();
        loop_.run();  // until the child was waited for
        loop_.restart();
        std::ifstream(file) >> grandchild;
    }
    ASSERT_GT(grandchild, 0);
    // Readable when it has ended; gone altogether if somebody has waited for it.
    const int watched = static_cast<int>(syscall(SYS_pidfd_open, grandchild, 0));
    pollfd ended{watched, POLLIN, 0};
    EXPECT_TRUE(watched < 0 || poll(&ended, 1, 10000) == 1) << "it still runs";
    close(watched);
    close(fd);
    unlink(file.c_str());
}

TEST_F(heuristics_run, begins_anew_when_the_ring_changes) {
    command("slow", {"/bin/sleep", "1000"});
    config_.sync_timeout = milliseconds(100);
    start().ring_has_changed();
    EXPECT_FALSE(result());
    EXPECT_EQ(why_, "slow: no answer within 100 ms");
    EXPECT_EQ(results_, 1);
}

TEST_F(heuristics_run, runs_again_and_again_when_it_is_on) {
    command("quick", {"/bin/true"});
    config_.mode = when::on;
    config_.interval = milliseconds(1);
    start();
    EXPECT_TRUE(result());
    EXPECT_TRUE(result());
    EXPECT_TRUE(result());
}

TEST_F(heuristics_run, runs_nothing_when_it_is_off) {
    command("quick", {"/bin/true"});
    config_.mode = when::off;
    start().ring_has_changed();
    EXPECT_EQ(loop_.run(), 0U);
    EXPECT_EQ(results_, 0);
}

}  // namespace
}  // namespace diskhb::quorum
