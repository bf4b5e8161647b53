// SPDX-License-Identifier: BSD-3-Clause
// [[route]] of diskhb.toml together with the nodelist: which prefixes go by a gateway while it
// answers and by a peer over a ring when it does not, and for whom this node carries them. One
// table is read alike on all nodes: it makes a user of some and carriers of others. Built once at
// start, never changed. Errors are setup_error(exit_config), one line each.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "plugin/daemon/cluster_config.hpp"
#include "plugin/ring/ip_prefix.hpp"

namespace diskhb::daemon {

// Messages between daemons name routes: that many, with so long names, fit into one.
inline constexpr std::size_t routes_most = 8;
inline constexpr std::size_t route_name_bytes_max = 32;
inline constexpr std::size_t route_prefixes_most = 64;

// A node that uses a route, and the address that its packets have there, whichever way they go: a
// connection outlives the change of the way.
struct route_user {
    std::uint32_t node_id = 0;
    ip_address source;
};

struct route_config {
    std::string name;
    std::vector<ip_prefix> prefixes;  // of one IP version
    ip_address gateway;
    std::string gateway_interface;        // empty: found by the gateway's address
    std::string ring;                     // interface of the ring
    std::vector<route_user> users;        // in the order of their ids
    std::vector<std::uint32_t> carriers;  // in the order of preference
    ip_address probe;                     // what must answer; the gateway unless given
    std::chrono::milliseconds probe_interval{500};
    unsigned down_after = 3;  // probes without an answer, one after another
    unsigned up_after = 5;    // probes with one

    // Null if that node does not use the route.
    const route_user* user(std::uint32_t node_id) const noexcept;
    bool is_carrier(std::uint32_t node_id) const noexcept;
};

// Which addresses are Corosync's: what goes from one to another is never routed over the ring, or
// the network's link would look alive on the ring's legs.
std::vector<ip_address> cluster_addresses(const corosync::corosync_conf& conf,
                                          const host_questions& host);

// All routes of the file, also those that this node has no part in. `rings`: the interfaces of
// the rings, in their order.
std::vector<route_config> read_routes(const toml::table& root, const std::string& path,
                                      const corosync::corosync_conf& conf,
                                      const host_questions& host,
                                      const std::vector<std::string>& rings);

// A line for people about what node `node_id` does with the route; empty if nothing.
std::string describe(const route_config& route, std::uint32_t node_id);

}  // namespace diskhb::daemon
