// SPDX-License-Identifier: BSD-3-Clause
// A network prefix as a value: an address and how many of its bits count. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "plugin/corosync/ip_address.hpp"

namespace diskhb::daemon {

using corosync::ip_address;

struct ip_prefix {
    ip_address address;  // bits beyond the first `bits` are zero
    std::uint8_t bits = 0;

    bool contains(const ip_address& one) const noexcept;
    auto operator<=>(const ip_prefix&) const = default;
};

// Reads "10.1.0.0/16" or "fd00::/8". Nothing if the text is none, or has bits set beyond its
// length.
std::optional<ip_prefix> parse_ip_prefix(const std::string& text);

std::string to_string(const ip_prefix& prefix);

}  // namespace diskhb::daemon
