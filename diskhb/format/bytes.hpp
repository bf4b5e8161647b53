// SPDX-License-Identifier: BSD-3-Clause
// Little-endian numbers in a span of bytes: the only way in which the codec touches fields. An
// offset outside the span is an error in the codec, not in the data (sizes are checked first), and
// ends the process. Pure; any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "format/assert.hpp"

namespace diskhb::format {

template <std::unsigned_integral Number>
constexpr Number little_endian(Number value) noexcept {
    if constexpr (std::endian::native == std::endian::little || sizeof(Number) == 1) {
        return value;
    } else {
        Number swapped = 0;
        for (std::size_t i = 0; i < sizeof(Number); ++i) {
            swapped = static_cast<Number>((swapped << 8) | ((value >> (8 * i)) & 0xff));
        }
        return swapped;
    }
}

template <std::unsigned_integral Number>
Number load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
    DISKHB_ASSERT(offset <= bytes.size() && bytes.size() - offset >= sizeof(Number));
    Number value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return little_endian(value);
}

template <std::unsigned_integral Number>
void store(std::span<std::byte> bytes, std::size_t offset, Number value) noexcept {
    DISKHB_ASSERT(offset <= bytes.size() && bytes.size() - offset >= sizeof(Number));
    value = little_endian(value);
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

inline void store_bytes(std::span<std::byte> bytes, std::size_t offset,
                        std::span<const std::byte> source) noexcept {
    DISKHB_ASSERT(offset <= bytes.size() && bytes.size() - offset >= source.size());
    if (!source.empty()) {
        std::memcpy(bytes.data() + offset, source.data(), source.size());
    }
}

inline void store_zeros(std::span<std::byte> bytes, std::size_t offset,
                        std::size_t count) noexcept {
    DISKHB_ASSERT(offset <= bytes.size() && bytes.size() - offset >= count);
    if (count != 0) {
        std::memset(bytes.data() + offset, 0, count);
    }
}

inline bool all_zero(std::span<const std::byte> bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// -1, 0 or 1 as `left` comes before, is, or comes after `right`, for counters that may wrap at
// 2^64 and are less than 2^63 apart.
constexpr int compare_wrapping(std::uint64_t left, std::uint64_t right) noexcept {
    const auto distance = static_cast<std::int64_t>(left - right);
    return distance < 0 ? -1 : distance > 0 ? 1 : 0;
}

}  // namespace diskhb::format
