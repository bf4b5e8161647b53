// SPDX-License-Identifier: BSD-3-Clause
// What to do with a packet that is not for a ring address: the part of [[route]] that is asked for
// each packet. Such packets come from the TUN of the routes (any program on the host, and whatever
// the host forwards there) or from the volume (any host that can write it); only what the
// configuration names passes. No allocation after the constructor.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plugin/ring/packet.hpp"
#include "plugin/ring/route_config.hpp"

namespace diskhb::daemon {

enum class route_fault {
    none,
    malformed,        // no IP packet, or not as long as it says
    local_address,    // from or to an address that never leaves a network or a host
    cluster_address,  // from one of Corosync's addresses to another
    not_configured,   // no route has that source for that node, with a prefix for the other end
    no_carrier,       // a route has, but goes by its gateway now
};
struct route_decision {
    route_fault fault = route_fault::none;
    std::uint32_t node_id = 0;  // outbound: whom to send it to
};

class route_table {
  public:
    // Of the routes over the ring with that interface, as node `node_id` sees them.
    // `cluster`: all of Corosync's addresses.
    route_table(const std::vector<route_config>& routes, const std::string& ring,
                std::uint32_t node_id, std::vector<ip_address> cluster);

    // Whether this node has a part in any of the routes.
    bool empty() const noexcept { return uses_.empty() && carries_.empty(); }

    // From now on what this node sends by the route with that index among all routes goes to a
    // carrier; 0: none. The main thread; pairs with the load in decide_outbound.
    void set_carrier(std::size_t route, std::uint32_t node_id) noexcept {
        carriers_[route].store(node_id, std::memory_order_relaxed);
    }

    // A packet out of the TUN: ours, or one from outside for a node that we carry for. Never one
    // of another node onward to a third: packets cannot go round.
    route_decision decide_outbound(std::span<const std::byte> bytes) const noexcept;
    // A packet that a node sent over the volume: from its own address into a prefix that we carry
    // for it, or back to ours from a carrier of ours.
    route_fault decide_inbound(std::uint32_t from, std::span<const std::byte> bytes) const noexcept;

  private:
    // One prefix that this node uses.
    struct use {
        ip_prefix prefix;
        ip_address source;
        std::size_t route = 0;
        std::vector<std::uint32_t> carriers;
    };
    // One prefix that this node carries for another.
    struct carry {
        std::uint32_t node_id = 0;
        ip_address source;
        ip_prefix prefix;
    };
    route_fault check_addresses(const ip_packet& packet) const noexcept;
    bool is_of_cluster(const ip_address& address) const noexcept;

    std::vector<use> uses_;  // the longest prefix first
    std::vector<carry> carries_;
    std::vector<ip_address> cluster_;  // sorted
    std::array<std::atomic<std::uint32_t>, routes_most> carriers_{};
};

}  // namespace diskhb::daemon
