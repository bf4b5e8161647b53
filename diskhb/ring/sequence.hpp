// SPDX-License-Identifier: BSD-3-Clause
// Positions and sequence numbers are 64-bit counters that may wrap; they are compared by their
// signed distance (serial number arithmetic, RFC 1982).
#pragma once

#include <cstdint>

namespace diskhb::ring {

constexpr std::int64_t distance(std::uint64_t from, std::uint64_t to) noexcept {
    return static_cast<std::int64_t>(to - from);
}
constexpr bool before(std::uint64_t left, std::uint64_t right) noexcept {
    return distance(left, right) > 0;
}

}  // namespace diskhb::ring
