// SPDX-License-Identifier: BSD-3-Clause
// When a copy command is run, killed, and run again.
#include "plugin/ring/copy_runner.hpp"

#include <gtest/gtest.h>

namespace diskhb::daemon {
namespace {

constexpr std::uint64_t ms = 1'000'000;
using kind = copy_runner::action::kind;

class copy_runner_test : public testing::Test {
  protected:
    copy_runner runner{{100 * ms, 1000 * ms}};
    std::uint64_t now = 5000 * ms;
    std::uint64_t flushes = 0;

    kind step() { return runner.step(now).what; }
    void flush(std::uint64_t count = 1) { runner.on_flushes(flushes += count, now); }
    void end(int exit_code = 0, const std::string& line = {}) {
        runner.on_ended({true, exit_code, 0, line}, now);
    }
    // Past the first run, which the start brings.
    void begin() {
        EXPECT_EQ(step(), kind::start);
        now += ms;
        end();
        now += 200 * ms;
    }
};

TEST_F(copy_runner_test, runs_once_at_the_start) {
    const auto first = runner.step(now);
    EXPECT_EQ(first.what, kind::start);
    EXPECT_EQ(first.reason, copy_reason::start);
    EXPECT_EQ(first.run, 1U);
    end();
    now += 10000 * ms;
    EXPECT_EQ(step(), kind::none);
    EXPECT_EQ(runner.next_ns(), UINT64_MAX);
}

TEST_F(copy_runner_test, runs_after_a_flush_but_once_an_interval) {
    begin();
    flush();
    const auto run = runner.step(now);
    EXPECT_EQ(run.what, kind::start);
    EXPECT_EQ(run.reason, copy_reason::flush);
    EXPECT_EQ(run.flushes, 1U);
    now += 10 * ms;
    end();
    flush();
    EXPECT_EQ(step(), kind::none);
    EXPECT_EQ(runner.next_ns(), now + 90 * ms);
    now += 90 * ms;
    EXPECT_EQ(step(), kind::start);
}

TEST_F(copy_runner_test, covers_all_flushes_of_a_run_by_one_further_run) {
    begin();
    flush();
    EXPECT_EQ(step(), kind::start);
    for (int count = 0; count < 50; ++count) {
        now += 10 * ms;
        flush();
        EXPECT_EQ(step(), kind::none);
    }
    end();
    const auto run = runner.step(now);
    EXPECT_EQ(run.what, kind::start);
    EXPECT_EQ(run.flushes, 50U);
    end();
    now += 1000 * ms;
    EXPECT_EQ(step(), kind::none);
    EXPECT_EQ(runner.status().runs, 3U);
    EXPECT_EQ(runner.status().flushes, 51U);
}

TEST_F(copy_runner_test, kills_a_run_that_lasts_too_long_once) {
    begin();
    flush();
    EXPECT_EQ(step(), kind::start);
    EXPECT_EQ(runner.next_ns(), now + 1000 * ms);
    now += 999 * ms;
    EXPECT_EQ(step(), kind::none);
    now += ms;
    EXPECT_EQ(step(), kind::kill);
    EXPECT_EQ(step(), kind::none);
    EXPECT_EQ(runner.next_ns(), UINT64_MAX);
    runner.on_ended({true, 0, 9, "still copying"}, now);
    EXPECT_EQ(runner.status().error, "killed after 1000 ms: still copying");
    EXPECT_EQ(runner.status().timeouts, 1U);
    EXPECT_EQ(runner.status().failures, 1U);
}

TEST_F(copy_runner_test, takes_no_success_from_a_run_that_was_killed) {
    begin();
    flush();
    EXPECT_EQ(step(), kind::start);
    now += 1000 * ms;
    EXPECT_EQ(step(), kind::kill);
    end(0);
    EXPECT_EQ(runner.status().failures, 1U);
}

TEST_F(copy_runner_test, tries_a_failed_run_again_with_growing_pauses) {
    begin();
    flush();
    EXPECT_EQ(step(), kind::start);
    std::uint64_t pause = 0;
    for (int failure = 0; failure < 12; ++failure) {
        end(3, "no path");
        EXPECT_EQ(runner.status().error, "exit status 3: no path");
        const std::uint64_t next = runner.next_ns();
        EXPECT_GE(next - now, pause);
        EXPECT_LE(next - now, copy_runner::pause_ns_most);
        pause = next - now;
        now = next;
        EXPECT_EQ(step(), kind::start);
    }
    EXPECT_EQ(pause, copy_runner::pause_ns_most);
    end();
    EXPECT_EQ(runner.status().error, "");
    EXPECT_EQ(runner.status().failures, 12U);
    EXPECT_EQ(runner.status().failures_in_row, 0U);
}

TEST_F(copy_runner_test, runs_at_once_when_asked_and_tells_how_it_went) {
    begin();
    flush();
    EXPECT_EQ(step(), kind::start);
    end();
    const auto wanted = runner.request();
    EXPECT_EQ(runner.next_ns(), 0U);
    EXPECT_EQ(runner.outcome_of(wanted), copy_runner::answer::waiting);
    const auto run = runner.step(now);
    EXPECT_EQ(run.what, kind::start);
    EXPECT_EQ(run.reason, copy_reason::request);
    // Asked during a run: the next one counts.
    const auto next = runner.request();
    EXPECT_EQ(next, wanted + 1);
    end();
    EXPECT_EQ(runner.outcome_of(wanted), copy_runner::answer::succeeded);
    EXPECT_EQ(runner.outcome_of(next), copy_runner::answer::waiting);
    EXPECT_EQ(step(), kind::start);
    end(1);
    EXPECT_EQ(runner.outcome_of(next), copy_runner::answer::failed);
}

TEST_F(copy_runner_test, knows_since_when_writes_are_not_copied) {
    begin();
    EXPECT_EQ(runner.status().uncovered_since_ns, 0U);
    flush();
    const auto first = now;
    EXPECT_EQ(step(), kind::start);
    now += 50 * ms;
    flush();
    const auto second = now;
    EXPECT_EQ(runner.status().uncovered_since_ns, first);
    end();
    EXPECT_EQ(runner.status().uncovered_since_ns, second);
    now += 50 * ms;
    EXPECT_EQ(step(), kind::start);
    end();
    EXPECT_EQ(runner.status().uncovered_since_ns, 0U);
}

TEST_F(copy_runner_test, says_why_a_command_did_not_start) {
    EXPECT_EQ(step(), kind::start);
    runner.on_ended({false, 0, 0, "No such file or directory"}, now);
    EXPECT_EQ(runner.status().error, "cannot be started: No such file or directory");
    EXPECT_EQ(outcome_text({true, 0, 11, ""}, false, 0), "ended by signal 11");
}

}  // namespace
}  // namespace diskhb::daemon
