// SPDX-License-Identifier: BSD-3-Clause
#include "format/geometry.hpp"

#include <bit>
#include <limits>

#include "format/batch.hpp"

namespace diskhb::format {

namespace {

// The kernel's file offsets are signed.
constexpr std::uint64_t volume_bytes_max = std::numeric_limits<std::int64_t>::max();

template <class Number>
bool power_of_two_between(Number value, Number low, Number high) noexcept {
    return value >= low && value <= high && std::has_single_bit(value);
}

}  // namespace

result<geometry> make_geometry(std::uint32_t block_bytes, std::uint16_t slots,
                               std::uint64_t ring_bytes, std::uint64_t volume_bytes) noexcept {
    if (!power_of_two_between(block_bytes, block_bytes_min, block_bytes_max) || slots < slots_min ||
        slots > slots_most(block_bytes) ||
        !power_of_two_between(ring_bytes, ring_bytes_min, ring_bytes_max) ||
        volume_bytes > volume_bytes_max) {
        return errc::malformed;
    }
    const geometry measures{block_bytes, slots, ring_bytes,
                            volume_bytes / block_bytes * block_bytes};
    // Three batches with the longest frame: one that is read, one that is written, one of padding.
    const std::uint64_t longest_bytes =
        batch_length_bytes(measures, frame_bytes(max_payload_bytes));
    if (ring_bytes < 3 * longest_bytes || measures.volume_bytes < measures.needed_bytes()) {
        return errc::malformed;
    }
    return measures;
}

}  // namespace diskhb::format
