// SPDX-License-Identifier: BSD-3-Clause
// By which ways another node is reached: what knet's links are to us, some of which are rings and
// the rest the network. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plugin/corosync/link_states.hpp"

namespace diskhb::corosync {

struct node_path {
    std::uint32_t node_id = 0;
    bool on_network = false;  // a link that is no ring is connected
    bool on_ring = false;     // a link that is a ring is connected
};

// ring_links: all links of this node that are rings; chosen_rings: those of them to look at.
std::vector<node_path> paths_of(const link_report& report, const std::vector<unsigned>& ring_links,
                                const std::vector<unsigned>& chosen_rings);

// on_network: nodes that are reached over the network; cut_off: that are alive and reached over the
// ring alone. Lost with more than half of those: a few that are cut off have lost their network,
// not those that still are the most.
constexpr bool is_network_lost(std::size_t on_network, std::size_t cut_off) noexcept {
    return 2 * cut_off > on_network + cut_off;
}

}  // namespace diskhb::corosync
