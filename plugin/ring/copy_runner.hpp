// SPDX-License-Identifier: BSD-3-Clause
// When the copy command of a ring is run: after writes, at most once an interval, one run at a
// time. What is written while one runs is covered by one further run. A pure state machine; one
// thread.
#pragma once

#include <cstdint>
#include <string>

namespace diskhb::daemon {

enum class copy_reason { start, flush, request };
const char* copy_reason_name(copy_reason reason) noexcept;

struct copy_runner_settings {
    std::uint64_t interval_ns = 0;  // from start to start
    std::uint64_t timeout_ns = 0;   // then the command and all it has started are killed
};

// How a run ended.
struct run_outcome {
    bool has_started = true;  // false: error says why not
    int exit_code = 0;        // when it was not ended by a signal
    int signal = 0;
    std::string error;  // why it did not start, or its last line on stderr

    bool is_success() const noexcept { return has_started && signal == 0 && exit_code == 0; }
};
// "exit status 3: no path to array 7"
std::string outcome_text(const run_outcome& outcome, bool was_killed, std::uint64_t timeout_ns);

struct copy_runner_status {
    std::uint64_t runs = 0;      // begun
    std::uint64_t failures = 0;  // ended badly, or killed
    std::uint64_t timeouts = 0;  // of these, killed
    std::uint64_t flushes = 0;   // writes of the ring that runs were begun for
    bool is_running = false;
    std::uint64_t failures_in_row = 0;
    std::string error;               // of the last run; empty if it was well
    std::uint64_t took_ns = 0;       // the last run
    std::uint64_t succeeded_ns = 0;  // when the last good run ended; 0: never
    // When the oldest write was noticed that no good run covers; 0: all are covered.
    std::uint64_t uncovered_since_ns = 0;
};

class copy_runner {
  public:
    explicit copy_runner(const copy_runner_settings& settings) noexcept : settings_(settings) {}

    // How many writes the ring has made until now.
    void on_flushes(std::uint64_t total, std::uint64_t now_ns) noexcept;
    // Somebody wants a run that begins after this: at once, or when the one under way has ended.
    // Returns its number, for outcome_of().
    std::uint64_t request() noexcept;
    enum class answer { waiting, succeeded, failed };
    answer outcome_of(std::uint64_t run) const noexcept;

    struct action {
        enum class kind { none, start, kill } what = kind::none;
        copy_reason reason = copy_reason::start;
        std::uint64_t run = 0;      // its number, from 1
        std::uint64_t flushes = 0;  // that it covers
    };
    // What to do now. After start, on_ended() follows; kill is said once, and on_ended() follows
    // too.
    action step(std::uint64_t now_ns) noexcept;
    // When to be called next at the latest; UINT64_MAX: after the next input.
    std::uint64_t next_ns() const noexcept;
    void on_ended(const run_outcome& outcome, std::uint64_t now_ns);

    const copy_runner_status& status() const noexcept { return status_; }
    // Pauses after failures grow up to this, or to the interval if that is longer.
    static constexpr std::uint64_t pause_ns_most = 10'000'000'000;

  private:
    bool wants_run() const noexcept { return has_news_ || wanted_run_ > status_.runs; }
    std::uint64_t earliest_ns() const noexcept;

    copy_runner_settings settings_;
    copy_runner_status status_;
    bool has_news_ = true;  // what was written before we started is not known to be copied
    bool is_killed_ = false;
    std::uint64_t flushes_seen_ = 0;
    std::uint64_t flushes_covered_ = 0;  // by the run under way, or the last one
    std::uint64_t begun_ns_ = 0;
    std::uint64_t news_ns_ = 0;     // when the first write was noticed after the last start
    std::uint64_t wanted_run_ = 0;  // a run of this number was asked for
    std::uint64_t ended_runs_ = 0;
    std::uint64_t last_good_run_ = 0;
};

}  // namespace diskhb::daemon
