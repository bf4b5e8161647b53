// SPDX-License-Identifier: BSD-3-Clause
// The times of the quorum lease and the relations that must hold between them, Corosync's and
// SBD's. doc/timeouts.md draws each as a time-line. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace diskhb::quorum {

using std::chrono::milliseconds;

// No two clocks of the cluster differ by more than this over a stretch of time: each is right
// within one percent, so the slowest takes 101/99 of the time of the fastest.
inline constexpr std::int64_t clock_ratio_numerator = 101;
inline constexpr std::int64_t clock_ratio_denominator = 99;

// What one node lets pass by its own clock. Durations that are not given are computed from the
// others by complete().
struct timings {
    // Between two blocks of a node, and so between two renewals of the holder's grant.
    milliseconds interval{500};
    // A vote ends this long after the block that it rests on was issued; so does a grant.
    milliseconds drop{3000};
    // After this long without a sign a node is taken to have neither vote nor grant. 0: compute.
    milliseconds take{0};
    // How long a holder lets the partitions form before it decides between them.
    milliseconds settle{1000};
    // Delays of this machine: a poll on its way to Corosync, a process that gets no processor. And
    // how long a volume may go on giving back old data.
    milliseconds margin{500};
    // After this long in Corosync's sync phase an undecided node says no. 0: compute.
    milliseconds answer{0};

    // Of corosync.conf: quorum.device.timeout, quorum.device.sync_timeout (their defaults).
    milliseconds device_timeout{10000};
    milliseconds sync_timeout{30000};
    // How long Corosync takes to see that a node is dead: token + consensus. For advice only.
    milliseconds detection{0};
    // SBD_WATCHDOG_TIMEOUT, where SBD is used.
    std::optional<milliseconds> watchdog;
};

// Between which the interval may be.
inline constexpr milliseconds interval_min{100};
inline constexpr milliseconds interval_max{10000};
// Blocks that may be lost in a row before a vote ends.
inline constexpr int intervals_in_drop_min = 4;
// What is left of the sync phase after an answer, for the answer itself.
inline constexpr milliseconds answer_reserve_min{200};

// How long a vote may outlive the block that it rests on: drop, then what votequorum keeps of the
// last poll of a daemon that hangs.
milliseconds linger(const timings& times) noexcept;
// The least `take` for a cluster in which no vote lingers longer than `lingering`: by the fastest
// clock it is not over before `lingering` is by the slowest.
milliseconds take_min(milliseconds lingering, milliseconds margin) noexcept;
// Fills in take and answer.
timings complete(timings times) noexcept;

struct timing_report {
    std::vector<std::string> errors;    // unsafe or senseless: refuse to start
    std::vector<std::string> warnings;  // safe, but the administrator should know
    bool safe() const noexcept { return errors.empty(); }
};
// Each violation in one line, with the numbers and what to change. REQUIRES: completed.
timing_report check(const timings& times);
// The relations with their numbers, a line each, for `--check` and the log. REQUIRES: completed.
std::vector<std::string> explain(const timings& times);

// How long after a failure another partition has the vote, at most, when all I/O is in time: the
// failure of a node, seen by Corosync after times.detection. REQUIRES: completed.
milliseconds recovery_max(const timings& times) noexcept;

// What the lease is for decides how many votes the device must have.
enum class mode {
    last_man_standing,  // any partition with the device's votes is quorate, down to one node
    tie_breaker,        // only a partition with half of the nodes is
};
const char* name_of(mode which) noexcept;
// The right quorum.device.votes for that many nodes with one vote each; 0 if there is none: a
// tie-breaker needs an even number of nodes.
unsigned device_votes(mode which, unsigned nodes) noexcept;
// Nothing if the votes fit, else one line with the right numbers.
std::optional<std::string> check_votes(mode which, unsigned nodes, unsigned votes);

}  // namespace diskhb::quorum
