// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/timing.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace diskhb::quorum {
namespace {

// That long by the slowest clock lasts at most this long by the fastest.
milliseconds slowest(milliseconds duration) noexcept {
    const std::int64_t scaled = duration.count() * clock_ratio_numerator;
    return milliseconds((scaled + clock_ratio_denominator - 1) / clock_ratio_denominator);
}

// What a decision takes between nodes whose I/O is in time: claim, joining, acceptance, grant, each
// seen by a read that follows within half an interval. And slots that nobody uses are known to be
// empty only a margin after the claim.
milliseconds decision(const timings& times) noexcept { return times.margin + 2 * times.interval; }

// How much of the wait for a dead node's vote is left when Corosync reports its death.
milliseconds wait_in_sync(const timings& times) noexcept {
    return std::max(milliseconds(0), times.take + times.interval - times.detection);
}

void check_ranges(const timings& times, timing_report& report) {
    if (times.interval < interval_min || times.interval > interval_max) {
        report.errors.push_back(fmt::format("interval = {} ms: must be {} .. {} ms",
                                            times.interval.count(), interval_min.count(),
                                            interval_max.count()));
    }
    if (times.drop < intervals_in_drop_min * times.interval) {
        report.errors.push_back(fmt::format(
            "drop = {} ms is less than {} intervals of {} ms: one late write would cost the vote; "
            "set drop to {} ms or more",
            times.drop.count(), intervals_in_drop_min, times.interval.count(),
            (intervals_in_drop_min * times.interval).count()));
    }
    if (times.margin < milliseconds(1) || times.settle < milliseconds(0) ||
        times.device_timeout < milliseconds(1) || times.sync_timeout < milliseconds(1)) {
        report.errors.push_back(fmt::format(
            "margin = {} ms, settle = {} ms, timeout = {} ms, sync_timeout = {} ms: must not be "
            "negative, and all but settle not 0",
            times.margin.count(), times.settle.count(), times.device_timeout.count(),
            times.sync_timeout.count()));
    }
}

void check_take(const timings& times, timing_report& report) {
    const milliseconds least = take_min(linger(times), times.margin);
    if (times.take < least) {
        report.errors.push_back(fmt::format(
            "take = {} ms is too short: a vote may stand for drop {} + quorum.device.timeout {} = "
            "{} ms ({} ms with clocks 1 % off) + margin {} = {} ms; set take to {} ms, or lower "
            "quorum.device.timeout",
            times.take.count(), times.drop.count(), times.device_timeout.count(),
            linger(times).count(), slowest(linger(times)).count(), times.margin.count(),
            least.count(), least.count()));
    }
}

void check_sync(const timings& times, timing_report& report) {
    const milliseconds quick = times.settle + decision(times);
    if (times.answer + answer_reserve_min > times.sync_timeout) {
        report.errors.push_back(fmt::format(
            "answer = {} ms leaves less than {} ms of quorum.device.sync_timeout = {} ms: Corosync "
            "would stop waiting before the answer",
            times.answer.count(), answer_reserve_min.count(), times.sync_timeout.count()));
    } else if (times.answer < quick) {
        report.errors.push_back(fmt::format(
            "quorum.device.sync_timeout = {} ms is too short: nodes decide within settle {} + {} "
            "ms, but must answer after {} ms; set sync_timeout to {} ms or more",
            times.sync_timeout.count(), times.settle.count(), decision(times).count(),
            times.answer.count(), (quick * 5 / 4 + answer_reserve_min).count()));
    } else if (times.answer < wait_in_sync(times) + quick) {
        report.warnings.push_back(fmt::format(
            "quorum.device.sync_timeout = {} ms: after the death of a node the others may be "
            "without the device's vote for up to {} ms, since take is {} ms, and Corosync reports "
            "the death after {} ms; lower quorum.device.timeout, or raise sync_timeout to {} ms",
            times.sync_timeout.count(), (wait_in_sync(times) + quick - times.answer).count(),
            times.take.count(), times.detection.count(),
            ((wait_in_sync(times) + quick) * 5 / 4).count()));
    }
}

void check_watchdog(const timings& times, timing_report& report) {
    if (times.watchdog && times.sync_timeout > *times.watchdog) {
        report.errors.push_back(fmt::format(
            "quorum.device.sync_timeout = {} ms is longer than SBD_WATCHDOG_TIMEOUT = {} ms: SBD "
            "would distrust Corosync's quorum; set sync_timeout to {} ms or less, or the watchdog "
            "timeout to {} s",
            times.sync_timeout.count(), times.watchdog->count(), times.watchdog->count(),
            (times.sync_timeout.count() + 999) / 1000));
    }
}

}  // namespace

milliseconds linger(const timings& times) noexcept { return times.drop + times.device_timeout; }

milliseconds take_min(milliseconds lingering, milliseconds margin) noexcept {
    return slowest(lingering) + margin;
}

timings complete(timings times) noexcept {
    if (times.take == milliseconds(0)) {
        times.take = take_min(linger(times), times.margin);
    }
    if (times.answer == milliseconds(0)) {
        times.answer =
            std::min(times.sync_timeout * 4 / 5, times.sync_timeout - answer_reserve_min);
    }
    return times;
}

timing_report check(const timings& times) {
    timing_report report;
    check_ranges(times, report);
    check_take(times, report);
    check_sync(times, report);
    check_watchdog(times, report);
    return report;
}

std::vector<std::string> explain(const timings& times) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("interval {} ms: every node writes its block that often",
                                times.interval.count()));
    lines.push_back(fmt::format("drop {} ms >= {} x interval: then a vote ends that rests on it",
                                times.drop.count(), intervals_in_drop_min));
    lines.push_back(fmt::format(
        "take {} ms >= {} ms = (drop {} + quorum.device.timeout {}) x {}/{} + margin {}: then a "
        "silent node has no vote any more, whatever hangs",
        times.take.count(), take_min(linger(times), times.margin).count(), times.drop.count(),
        times.device_timeout.count(), clock_ratio_numerator, clock_ratio_denominator,
        times.margin.count()));
    lines.push_back(fmt::format(
        "answer {} ms < quorum.device.sync_timeout {} ms: then an undecided node says no",
        times.answer.count(), times.sync_timeout.count()));
    if (times.watchdog) {
        lines.push_back(fmt::format("sync_timeout {} ms <= SBD_WATCHDOG_TIMEOUT {} ms",
                                    times.sync_timeout.count(), times.watchdog->count()));
    }
    lines.push_back(
        fmt::format("another partition has the vote at most {} ms after the death of a node",
                    recovery_max(times).count()));
    return lines;
}

milliseconds recovery_max(const timings& times) noexcept {
    // The dead node's last block was read at most an interval after its death. Death and the
    // change of the ring are waited for side by side.
    const milliseconds silent = slowest(times.take) + times.interval;
    return std::max(silent, times.detection) + 2 * times.settle + decision(times) + times.interval;
}

const char* name_of(mode which) noexcept {
    return which == mode::last_man_standing ? "last-man-standing" : "tie-breaker";
}

unsigned device_votes(mode which, unsigned nodes) noexcept {
    if (which == mode::last_man_standing) {
        return nodes >= 2 ? nodes - 1 : 0;
    }
    return nodes >= 2 && nodes % 2 == 0 ? 1 : 0;
}

std::optional<std::string> check_votes(mode which, unsigned nodes, unsigned votes) {
    const unsigned right = device_votes(which, nodes);
    if (right == 0) {
        return which == mode::tie_breaker && nodes >= 2
                   ? fmt::format(
                         "mode tie-breaker needs an even number of nodes, not {}: an odd "
                         "number has no ties; use last-man-standing with "
                         "quorum.device.votes = {}",
                         nodes, nodes - 1)
                   : fmt::format("a quorum device needs at least 2 nodes, not {}", nodes);
    }
    if (votes == right) {
        return std::nullopt;
    }
    return fmt::format(
        "mode {} with {} nodes needs quorum.device.votes = {}, not {}: expected "
        "votes {}, quorum {}",
        name_of(which), nodes, right, votes, nodes + right, (nodes + right) / 2 + 1);
}

}  // namespace diskhb::quorum
