// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/ip_prefix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace diskhb::daemon {

namespace {

// The bits of byte `index` that belong to the first `bits` of an address.
std::uint8_t mask_at(std::size_t index, std::size_t bits) noexcept {
    const std::size_t before = index * 8;
    const std::size_t here = bits <= before ? 0 : std::min<std::size_t>(8, bits - before);
    return static_cast<std::uint8_t>(0xff00U >> here);
}

}  // namespace

bool ip_prefix::contains(const ip_address& one) const noexcept {
    if (one.family != address.family) {
        return false;
    }
    for (std::size_t index = 0; index * 8 < bits; ++index) {
        if ((one.bytes[index] & mask_at(index, bits)) != address.bytes[index]) {
            return false;
        }
    }
    return true;
}

std::optional<ip_prefix> parse_ip_prefix(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) {
        return std::nullopt;
    }
    const auto address = corosync::parse_ip_address(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const char* const end = text.data() + text.size();
    ip_prefix prefix{*address, 0};
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, prefix.bits);
    if (error != std::errc() || stop != end || prefix.bits > address->host_prefix_bits()) {
        return std::nullopt;
    }
    for (std::size_t index = 0; index < address->size_bytes(); ++index) {
        if ((address->bytes[index] & ~mask_at(index, prefix.bits)) != 0) {
            return std::nullopt;
        }
    }
    return prefix;
}

std::string to_string(const ip_prefix& prefix) {
    return fmt::format("{}/{}", corosync::to_string(prefix.address), prefix.bits);
}

}  // namespace diskhb::daemon
