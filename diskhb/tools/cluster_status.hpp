// SPDX-License-Identifier: BSD-3-Clause
// What every node of the cluster sees, as it says itself: for diskhb status --cluster. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/watch/event_text.hpp"
#include "plugin/watch/group_message.hpp"

namespace diskhb::tools {

struct cluster_picture {
    std::string cluster_name;
    std::uint32_t local_node_id = 0;
    watch::node_names names;                     // of the nodelist
    std::map<std::uint32_t, watch::view> views;  // of the nodes that have answered, ours too
};

// Asks all nodes, which takes some seconds at most. Throws setup_error: exit_no_daemon if Corosync
// does not answer here, exit_permission, exit_config.
cluster_picture ask_cluster(const std::string& config, const std::string& socket);

// Pure.
std::string cluster_text(const cluster_picture& picture);
nlohmann::ordered_json cluster_json(const cluster_picture& picture);

}  // namespace diskhb::tools
