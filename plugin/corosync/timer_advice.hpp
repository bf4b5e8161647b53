// SPDX-License-Identifier: BSD-3-Clause
// The timers of knet and totem that suit a ring over a volume, and what is unsafe in those that a
// corosync.conf has. Pure: the formulas and their reasons are in diskhb/doc/timers.md. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"

namespace diskhb::corosync {

// One way over the ring, from a frame's submission to its delivery: the slowest of a thousand, and
// the slowest seen. With idle receivers, which is how the first message after a cut finds them.
struct ring_times {
    std::uint64_t one_way_us_p999 = 0;
    std::uint64_t one_way_us_max = 0;
};

// From what the volume's reads and writes take: a write, the pause of an idle receiver, a read of
// the node table and one of a ring.
std::uint64_t one_way_us(std::uint64_t write_us, std::uint64_t read_us, std::uint64_t poll_idle_us);

// What to write into corosync.conf. Left out: consensus, which Corosync makes 1.2 x token, and
// knet_mtu, which knet finds out for each link.
struct timers {
    std::uint32_t token_ms = 0;
    std::uint32_t token_retransmits_before_loss = 0;
    std::uint32_t join_ms = 0;
    std::uint32_t network_ping_interval_ms = 0;
    std::uint32_t network_ping_timeout_ms = 0;
    std::uint32_t ring_ping_interval_ms = 0;
    std::uint32_t ring_ping_timeout_ms = 0;
    std::uint32_t pong_count = 0;
    // What follows, for people: a stall of the volume that the cluster survives while it runs on
    // the ring alone, and when a dead node is given up (token + consensus, both in force).
    std::uint32_t survived_stall_ms = 0;
    std::uint32_t node_death_ms = 0;
};

// nodes: 2 or more.
timers advise_timers(const ring_times& times, unsigned nodes);

struct timer_warning {
    // unsafe: the ring can make the cluster worse than it is without one. advice: the cluster is
    // no worse off, but rides out less than it could.
    enum class severity { unsafe, advice };
    severity how_bad = severity::advice;
    std::string key;      // "totem.token", "link 1 knet_ping_timeout"
    std::string value;    // in force
    std::string problem;  // one sentence
    std::string fix;      // what to write
};

// ring_link: the ring's link number, 0 .. link_count_max - 1. Unsafe ones first.
std::vector<timer_warning> check_timers(const corosync_conf& conf, std::size_t ring_link,
                                        const ring_times& times, const timers& advised);

}  // namespace diskhb::corosync
