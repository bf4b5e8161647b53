// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_runner.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::daemon {

const char* copy_reason_name(copy_reason reason) noexcept {
    switch (reason) {
        case copy_reason::start:
            return "start";
        case copy_reason::flush:
            return "flush";
        case copy_reason::request:
            break;
    }
    return "request";
}

std::string outcome_text(const run_outcome& outcome, bool was_killed, std::uint64_t timeout_ns) {
    if (!outcome.has_started) {
        return fmt::format("cannot be started: {}", outcome.error);
    }
    const auto end = was_killed ? fmt::format("killed after {} ms", timeout_ns / 1'000'000)
                     : outcome.signal != 0 ? fmt::format("ended by signal {}", outcome.signal)
                                           : fmt::format("exit status {}", outcome.exit_code);
    return outcome.error.empty() ? end : end + ": " + outcome.error;
}

void copy_runner::on_flushes(std::uint64_t total, std::uint64_t now_ns) noexcept {
    if (total == flushes_seen_) {
        return;
    }
    flushes_seen_ = total;
    has_news_ = true;
    news_ns_ = news_ns_ == 0 ? now_ns : news_ns_;
    if (status_.uncovered_since_ns == 0) {
        status_.uncovered_since_ns = now_ns;
    }
}

std::uint64_t copy_runner::request() noexcept {
    wanted_run_ = status_.runs + 1;
    return wanted_run_;
}

copy_runner::answer copy_runner::outcome_of(std::uint64_t run) const noexcept {
    if (last_good_run_ >= run) {
        return answer::succeeded;
    }
    return ended_runs_ >= run ? answer::failed : answer::waiting;
}

// A failing command is not run more and more often.
std::uint64_t copy_runner::earliest_ns() const noexcept {
    if (status_.runs == 0) {
        return 0;
    }
    const std::uint64_t doublings = std::min<std::uint64_t>(status_.failures_in_row, 20);
    const std::uint64_t pause_ns = std::min(settings_.interval_ns << doublings,
                                            std::max(settings_.interval_ns, pause_ns_most));
    return begun_ns_ + pause_ns;
}

copy_runner::action copy_runner::step(std::uint64_t now_ns) noexcept {
    action decided;
    if (status_.is_running) {
        if (!is_killed_ && now_ns >= begun_ns_ + settings_.timeout_ns) {
            is_killed_ = true;
            ++status_.timeouts;
            decided.what = action::kind::kill;
        }
        return decided;
    }
    const bool is_requested = wanted_run_ > status_.runs;
    if (!wants_run() || (!is_requested && now_ns < earliest_ns())) {
        return decided;
    }
    decided.what = action::kind::start;
    decided.reason = is_requested        ? copy_reason::request
                     : status_.runs == 0 ? copy_reason::start
                                         : copy_reason::flush;
    decided.run = ++status_.runs;
    decided.flushes = flushes_seen_ - flushes_covered_;
    status_.flushes += decided.flushes;
    flushes_covered_ = flushes_seen_;
    status_.is_running = true;
    is_killed_ = false;
    has_news_ = false;
    news_ns_ = 0;
    begun_ns_ = now_ns;
    return decided;
}

std::uint64_t copy_runner::next_ns() const noexcept {
    if (status_.is_running) {
        return is_killed_ ? UINT64_MAX : begun_ns_ + settings_.timeout_ns;
    }
    if (wanted_run_ > status_.runs) {
        return 0;
    }
    return wants_run() ? earliest_ns() : UINT64_MAX;
}

void copy_runner::on_ended(const run_outcome& outcome, std::uint64_t now_ns) {
    status_.is_running = false;
    status_.took_ns = now_ns - begun_ns_;
    ended_runs_ = status_.runs;
    if (outcome.is_success() && !is_killed_) {
        status_.failures_in_row = 0;
        status_.error.clear();
        status_.succeeded_ns = now_ns;
        status_.uncovered_since_ns = news_ns_;
        last_good_run_ = status_.runs;
        return;
    }
    ++status_.failures;
    ++status_.failures_in_row;
    status_.error = outcome_text(outcome, is_killed_, settings_.timeout_ns);
    has_news_ = true;  // what it was to copy is not copied
}

}  // namespace diskhb::daemon
