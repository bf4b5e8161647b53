// SPDX-License-Identifier: BSD-3-Clause
// Programs that end well, badly, late or never, and what they leave behind.
#include "plugin/daemon/child_process.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using outcome = child_process::outcome;

class children : public testing::Test {
  protected:
    boost::asio::io_context loop;
    std::optional<outcome> ended;

    std::shared_ptr<child_process> start(const std::string& script,
                                         const std::vector<std::string>& environment = {}) {
        auto child = std::make_shared<child_process>(loop);
        const auto why = child->start({"/bin/sh", "-c", script}, environment,
                                      [this](const outcome& how) { ended = how; });
        EXPECT_EQ(why, "");
        return child;
    }
    void run_to_end() { loop.run_for(20s); }
};

TEST_F(children, report_their_exit_code_and_last_line_on_stderr) {
    start("echo first >&2; echo out; printf 'no path\\nto array\\n\\n' >&2; exit 3");
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->exit_code, 3);
    EXPECT_EQ(ended->signal, 0);
    EXPECT_EQ(ended->last_line, "to array");
}

TEST_F(children, report_a_line_that_has_no_end_and_nothing_unprintable) {
    start("printf 'a\\033[1mb' >&2");
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->exit_code, 0);
    EXPECT_EQ(ended->last_line, "a?[1mb");
}

TEST_F(children, may_write_more_than_is_kept) {
    start("head -c 300000 /dev/zero | tr '\\0' x >&2");
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->last_line, std::string(child_process::line_bytes_max, 'x'));
}

TEST_F(children, see_the_environment_they_are_given_beside_ours) {
    ::setenv("DISKHB_TEST_REASON", "old", 1);
    start("echo \"$DISKHB_TEST_REASON $DISKHB_TEST_RING ${PATH:+path}\" >&2",
          {"DISKHB_TEST_REASON=flush", "DISKHB_TEST_RING=dhb0"});
    run_to_end();
    ::unsetenv("DISKHB_TEST_REASON");
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->last_line, "flush dhb0 path");
}

TEST_F(children, are_killed_with_all_they_have_started) {
    const auto file = testing::TempDir() + "/diskhb-grandchild";
    ::unlink(file.c_str());
    auto child =
        start("sleep 1000 & echo $! >" + file + ".new; mv " + file + ".new " + file + "; wait");
    pid_t grandchild = 0;
    for (int tries = 0; tries < 2000 && grandchild == 0; ++tries) {
        loop.run_for(5ms);
        std::ifstream(file) >> grandchild;
    }
    ASSERT_GT(grandchild, 0);
    child->kill();
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->signal, SIGKILL);
    // Its parent is init now, which may take a moment to collect it.
    bool is_gone = false;
    for (int tries = 0; tries < 2000 && !is_gone; ++tries) {
        std::ifstream state("/proc/" + std::to_string(grandchild) + "/stat");
        std::string word;
        is_gone = !(state >> word >> word >> word) || word == "Z";
    }
    EXPECT_TRUE(is_gone);
    ::unlink(file.c_str());
}

TEST_F(children, do_not_hold_us_up_by_a_grandchild_with_their_stderr) {
    start("sleep 1000 & echo done >&2");
    const auto begun = std::chrono::steady_clock::now();
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->last_line, "done");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
}

TEST_F(children, report_nothing_once_they_are_abandoned) {
    start("exec sleep 1000")->abandon();
    run_to_end();
    EXPECT_FALSE(ended);
}

TEST_F(children, are_not_scheduled_in_real_time_where_we_are) {
    const sched_param high{1};
    if (sched_setscheduler(0, SCHED_RR, &high) != 0) {
        GTEST_SKIP() << "this process may not be scheduled in real time";
    }
    start("read -r line </proc/self/stat; set -- ${line##*)}; echo \"policy ${39}\" >&2");
    const sched_param low{0};
    EXPECT_EQ(sched_setscheduler(0, SCHED_OTHER, &low), 0);
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->last_line, "policy 0");  // SCHED_OTHER
}

TEST_F(children, are_no_safer_from_the_oom_killer_than_others_where_we_are) {
    const auto write_own = [](int score) {
        std::ofstream("/proc/self/oom_score_adj") << score << std::flush;
    };
    write_own(7);
    // It is told just after its start.
    start(
        "i=0; while [ $i -lt 5000 ]; do read -r score </proc/self/oom_score_adj; "
        "[ $score = 0 ] && break; i=$((i + 1)); done; echo \"score $score\" >&2");
    write_own(0);
    run_to_end();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->last_line, "score 0");
}

TEST_F(children, say_why_they_could_not_be_started) {
    auto child = std::make_shared<child_process>(loop);
    EXPECT_EQ(child->start({"/nonexistent/copy"}, {}, [](const outcome&) { FAIL(); }),
              "No such file or directory");
    run_to_end();
}

}  // namespace
}  // namespace diskhb::daemon
