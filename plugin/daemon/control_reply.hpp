// SPDX-License-Identifier: BSD-3-Clause
// What the replies on all control sockets have in common: one JSON object a line, with "ok". Pure;
// any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace diskhb::daemon {

inline constexpr std::size_t request_bytes_max = 4096;

// Without the line feed. Host names and paths are bytes: what is not UTF-8 is replaced, never
// thrown about.
std::string to_line(const nlohmann::ordered_json& value);

std::string error_reply(const std::string& error, int exit_code);
std::string version_reply();

// What every daemon's status begins with: the daemon, its cluster and its node.
struct daemon_identity {
    std::string cluster_name;
    std::uint32_t node_id = 0;
    std::string node_name;
    std::string corosync_conf_path;
};
nlohmann::ordered_json begin_status(const daemon_identity& who, std::chrono::seconds uptime);

}  // namespace diskhb::daemon
