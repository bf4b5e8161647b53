// SPDX-License-Identifier: BSD-3-Clause
// What daemons say to each other about routes, again and again: "you carry these for me now", "I
// am ready to carry these". One JSON object, carried by the ring as a datagram. What comes is
// never trusted: it names routes, and what a route allows is in each node's own configuration.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace diskhb::daemon {

inline constexpr std::size_t route_message_bytes_max = 1024;

struct route_message {
    std::string cluster_name;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::vector<std::string> uses;     // the receiver carries these for the sender now
    std::vector<std::string> carries;  // the sender is ready to carry these
    bool operator==(const route_message&) const = default;
};

std::string encode(const route_message& message);
// Nothing for whatever else it is.
std::optional<route_message> parse_route_message(std::span<const std::byte> bytes);

}  // namespace diskhb::daemon
