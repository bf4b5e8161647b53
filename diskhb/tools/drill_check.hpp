// SPDX-License-Identifier: BSD-3-Clause
// Whether a fire drill would be safe now, and how long it may last without an answer. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/corosync/interconnect.hpp"
#include "plugin/watch/event_text.hpp"
#include "plugin/watch/group_message.hpp"
#include "tools/findings.hpp"

namespace diskhb::tools {

// What follows from the timers in force.
struct drill_limits {
    std::uint32_t detection_ms = 0;    // until knet notices a cut network at the latest
    std::uint32_t silence_ms = 0;      // a longer gap means that the ring does not carry
    std::uint32_t return_ms = 0;       // until knet uses a network again that was given back
    std::uint32_t hop_max_ms = 0;      // from node to node over the ring
    std::uint32_t latency_max_ms = 0;  // of a message on the ring
    std::uint32_t token_ms = 0;
    // The cluster outlives a ring that fails in the middle of a drill.
    bool leave_room() const noexcept { return silence_ms + return_ms < token_ms; }
};
drill_limits limits_of(const corosync::corosync_conf& conf,
                       const std::vector<unsigned>& ring_links);

// One thing that was looked at. text: what is so, or what is wrong and what to do.
struct drill_check {
    std::string what;
    bool is_good = false;
    std::string text;
};

struct drill_facts {
    corosync::corosync_conf conf;
    std::vector<unsigned> ring_links;
    drill_limits limits;
    bool for_all = false;
    corosync::interconnect_state state;            // as we see it
    std::map<std::uint32_t, watch::view> views;    // of the nodes that have answered, ours too
    std::vector<finding> setup;                    // of check_setup
    std::optional<std::string> pacemaker_problem;  // nothing: Pacemaker does not run; empty: none
    watch::node_names names;
};
std::vector<drill_check> check_drill(const drill_facts& facts);
bool is_safe(const std::vector<drill_check>& checks) noexcept;

}  // namespace diskhb::tools
