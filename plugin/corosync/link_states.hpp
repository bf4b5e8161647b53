// SPDX-License-Identifier: BSD-3-Clause
// Which knet links of a running Corosync are connected, as corosync-cfgtool -n shows it
// (corosync/cfg.h, corosync_cfg_node_status_get; the nodes are those of cmap's nodelist).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/corosync/cs_error.hpp"

namespace diskhb::corosync {

class cfg;
class cmap;

struct link_state {
    bool enabled = false;       // the node has an address on this link
    bool connected = false;     // knet's pings are answered
    std::string local_address;  // as knet has them, numeric
    std::string peer_address;
};

struct node_links {
    std::uint32_t node_id = 0;
    bool reachable = false;  // over any link
    std::array<link_state, link_count_max> links;
};

struct link_report {
    std::uint32_t local_node_id = 0;
    std::vector<node_links> others;  // all other nodes of the nodelist
};

// Of connections that are there, for the nodes given. A node that has left the nodelist meanwhile
// is left out. No call has a timeout: it lasts as long as Corosync lets it. on_answer: after each.
result<link_report> read_link_states(cfg& links, const std::vector<std::uint32_t>& node_ids,
                                     const std::function<void()>& on_answer = {});

// Connects, and asks once. Any thread.
result<link_report> read_link_states();

}  // namespace diskhb::corosync
