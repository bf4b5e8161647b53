// SPDX-License-Identifier: BSD-3-Clause
// An IPv4 or IPv6 address as a value: 4 or 16 bytes in network order. Small enough to be compared
// for every packet. Pure, except resolve(); any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace diskhb::corosync {

enum class ip_family : std::uint8_t { none = 0, v4 = 4, v6 = 6 };

struct ip_address {
    ip_family family = ip_family::none;
    std::array<std::uint8_t, 16> bytes{};  // v4 uses the first four, the rest is zero

    std::size_t size_bytes() const noexcept { return family == ip_family::v4 ? 4 : 16; }
    std::uint8_t host_prefix_bits() const noexcept { return family == ip_family::v4 ? 32 : 128; }
    bool is_multicast() const noexcept;   // 224.0.0.0/4, 255.255.255.255 or ff00::/8
    bool is_loopback() const noexcept;    // 127.0.0.0/8 or ::1
    bool is_link_local() const noexcept;  // 169.254.0.0/16 or fe80::/10
    bool is_unspecified() const noexcept;
    auto operator<=>(const ip_address&) const = default;
};

// Builds an address from 4 or 16 bytes as they lie in a packet. Any other size gives family none.
ip_address make_ip_address(std::span<const std::uint8_t> bytes) noexcept;

// Reads a numeric address; nothing if the text is not one.
std::optional<ip_address> parse_ip_address(const std::string& text);

std::string to_string(const ip_address& address);

// Which address of a host name Corosync takes (totem.ip_version; exec/totemip.c, totemip_parse).
enum class ip_preference { v4_only, v6_only, v6_first, v4_first };

// A numeric address, or a name by the resolver of the system, which may block. Nothing if the name
// has no address of that kind.
std::optional<ip_address> resolve(const std::string& text, ip_preference preference);

}  // namespace diskhb::corosync
