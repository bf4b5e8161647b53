// SPDX-License-Identifier: BSD-3-Clause
// The lines that go over the control socket: one JSON object a line, a request and its reply
// (diskhbd(8), "CONTROL SOCKET"). Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/ring/config.hpp"
#include "plugin/ring/copy_report.hpp"
#include "plugin/ring/ring_interface.hpp"
#include "plugin/ring/route_report.hpp"
#include "plugin/ring/route_tunnel.hpp"
#include "plugin/ring/tunnel.hpp"

namespace diskhb::daemon {

inline constexpr std::chrono::milliseconds ping_timeout_max{10000};

inline constexpr std::chrono::milliseconds copy_timeout_max{600000};
inline constexpr std::chrono::milliseconds copy_timeout_default{10000};

// copy: diskhb-copyd(8) answers it too.
enum class request_verb { invalid, status, ping, version, copy };

struct control_request {
    request_verb verb = request_verb::invalid;
    std::string error;          // why it is invalid
    std::string ring;           // interface; empty: for ping the only one, for copy all
    std::uint32_t node_id = 0;  // copy: who is to copy; 0: this node
    bool wait = false;          // copy: answer when it is done
    std::chrono::milliseconds timeout{1000};
};
control_request parse_request(std::string_view line);

// What a status is made of: one ring.
struct ring_snapshot {
    const ring_config* config = nullptr;
    statistics engine;
    tunnel_statistics packets{};
    bool interface_up = false;
    std::string qdisc;
    copy_report copy;
    std::optional<route_statistics> routed;  // of a ring that carries routes
};

// Replies without the line feed.
std::string status_reply(const daemon_config& config, const std::vector<ring_snapshot>& rings,
                         const std::vector<route_report>& routes, std::chrono::seconds uptime);
std::string ping_reply(std::chrono::nanoseconds round_trip);
std::string ping_error_reply(const boost::system::error_code& error, std::uint32_t node_id,
                             std::chrono::milliseconds timeout);

}  // namespace diskhb::daemon
