// SPDX-License-Identifier: BSD-3-Clause
// The program that is run for events: one after the other, bounded in number and time.
#include "plugin/watch/event_hook.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace diskhb::watch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class event_hook_test : public testing::Test {
  protected:
    event_hook_test() {
        char name[] = "/tmp/event_hook_test.XXXXXX";
        folder_ = mkdtemp(name);
    }
    ~event_hook_test() override { std::filesystem::remove_all(folder_); }

    std::string program(const std::string& body) {
        const auto path = folder_ + "/program";
        std::ofstream(path) << "#!/bin/sh\ncd " << folder_ << "\n" << body << "\n";
        ::chmod(path.c_str(), 0755);
        return path;
    }
    std::string written() {
        std::ostringstream text;
        text << std::ifstream(folder_ + "/out").rdbuf();
        return text.str();
    }
    std::unique_ptr<event_hook> make(const std::string& path, std::chrono::milliseconds timeout) {
        return std::make_unique<event_hook>(
            loop_, path, timeout,
            [this](const std::string& problem) { problems_.push_back(problem); });
    }

    std::string folder_;
    boost::asio::io_context loop_;
    std::vector<std::string> problems_;
};

TEST_F(event_hook_test, runs_the_program_for_each_event_in_order) {
    const auto hook = make(program("echo \"$DISKHB_EVENT\" >>out"), 10s);
    for (const char* const event : {"one", "two", "three"}) {
        hook->run({std::string("DISKHB_EVENT=") + event});
    }
    loop_.run();
    EXPECT_EQ(written(), "one\ntwo\nthree\n");
    EXPECT_TRUE(problems_.empty());
    EXPECT_TRUE(hook->is_idle());
}

TEST_F(event_hook_test, leaves_out_the_oldest_when_too_many_wait) {
    const auto hook = make(program("echo \"$DISKHB_EVENT\" >>out"), 10s);
    for (unsigned i = 0; i < event_hook::waiting_max + 3; ++i) {
        hook->run({"DISKHB_EVENT=" + std::to_string(i)});
    }
    loop_.run();
    // The first runs at once; of those that wait the two oldest are left out.
    EXPECT_THAT(written(), testing::StartsWith("0\n3\n4\n"));
    ASSERT_EQ(problems_.size(), 2U);
    EXPECT_THAT(problems_[0], HasSubstr("DISKHB_EVENT=1"));
}

TEST_F(event_hook_test, kills_one_that_does_not_end_and_goes_on) {
    const auto hook = make(program("[ $DISKHB_EVENT = 2 ] && echo 2 >out || sleep 1000"), 50ms);
    hook->run({"DISKHB_EVENT=1"});
    hook->run({"DISKHB_EVENT=2"});
    loop_.run();
    EXPECT_FALSE(problems_.empty());
    EXPECT_THAT(problems_[0], HasSubstr("killed after 50 ms"));
}

TEST_F(event_hook_test, says_why_one_failed) {
    const auto hook = make(program("echo 'no mail' >&2; exit 3"), 10s);
    hook->run({});
    loop_.run();
    ASSERT_EQ(problems_.size(), 1U);
    EXPECT_THAT(problems_[0], HasSubstr("exit status 3: no mail"));
}

TEST_F(event_hook_test, says_that_there_is_none) {
    const auto hook = make(folder_ + "/missing", 10s);
    hook->run({});
    loop_.run();
    ASSERT_EQ(problems_.size(), 1U);
    EXPECT_THAT(problems_[0], HasSubstr("cannot be started"));
}

}  // namespace
}  // namespace diskhb::watch
