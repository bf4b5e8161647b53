// SPDX-License-Identifier: BSD-3-Clause
// What is said of the interconnect, as a line for people, as JSON and as the environment of a
// program. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/corosync/interconnect.hpp"

namespace diskhb::watch {

// Of the nodelist; those without a name are not in it.
using node_names = std::map<std::uint32_t, std::string>;

using wall_time = std::chrono::system_clock::time_point;

// The name made printable, or "node 3".
std::string name_of_node(std::uint32_t node_id, const node_names& names);
// "n2, n3".
std::string names_of_nodes(const std::vector<std::uint32_t>& node_ids, const node_names& names);
// "2026-03-01T12:00:00.123Z".
std::string time_text(wall_time at);

// "network-lost: n2, n3 are not reached over the network; quorate, on the ring".
std::string event_text(const corosync::interconnect_event& event,
                       const corosync::interconnect_state& state, const node_names& names);

// An event with the state after it, and the state alone.
nlohmann::ordered_json event_json(const corosync::interconnect_event& event,
                                  const corosync::interconnect_state& state,
                                  const node_names& names, wall_time at);
nlohmann::ordered_json state_json(const corosync::interconnect_state& state,
                                  const node_names& names);

// NAME=VALUE, as diskhb(8) documents them for watch --exec.
std::vector<std::string> event_environment(const corosync::interconnect_event& event,
                                           const corosync::interconnect_state& state,
                                           const node_names& names, wall_time at);

}  // namespace diskhb::watch
