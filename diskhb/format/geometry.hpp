// SPDX-License-Identifier: BSD-3-Clause
// Where everything lies on a volume (doc/format.md, "Layout"). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>

#include "diskhb/error.hpp"

namespace diskhb::format {

using uuid = std::array<std::uint8_t, 16>;
using slot_index = std::uint16_t;  // 0 .. slots-1; the node with id N owns slot N-1

inline constexpr std::uint32_t block_bytes_min = 4096;
inline constexpr std::uint32_t block_bytes_max = 65536;
inline constexpr std::uint16_t slots_min = 2;
inline constexpr std::uint16_t slots_max = 128;

// With that block size: a table block holds an acknowledgement a slot, and room for frames.
constexpr std::uint16_t slots_most(std::uint32_t block_bytes) noexcept {
    return block_bytes <= block_bytes_min ? 96 : slots_max;
}

inline constexpr std::uint64_t ring_bytes_min = 256 * 1024;
inline constexpr std::uint64_t ring_bytes_max = 1ULL << 30;
// A datagram, or a piece of a message, in one frame.
inline constexpr std::uint32_t max_payload_bytes = 65536;
inline constexpr slot_index every_slot = 0xffff;  // destination: all nodes but the sender

// The measures of a volume, fixed by `diskhb format`. Build it with make_geometry only.
struct geometry {
    std::uint32_t block_bytes = 0;   // power of two
    std::uint16_t slots = 0;         // slots_min .. slots_most(block_bytes)
    std::uint64_t ring_bytes = 0;    // of one slot's ring; power of two
    std::uint64_t volume_bytes = 0;  // where the superblock's copy ends

    std::uint64_t table_offset() const noexcept { return block_bytes; }
    std::uint64_t table_bytes() const noexcept { return std::uint64_t{slots} * block_bytes; }
    std::uint64_t table_offset(slot_index slot) const noexcept {
        return table_offset() + std::uint64_t{slot} * block_bytes;
    }
    std::uint64_t quorum_offset() const noexcept { return table_offset() + table_bytes(); }
    std::uint64_t quorum_offset(slot_index slot) const noexcept {
        return quorum_offset() + std::uint64_t{slot} * block_bytes;
    }
    // Rings start at a multiple of 1 MiB, for the sake of RAID stripes and erase blocks.
    std::uint64_t rings_offset() const noexcept {
        constexpr std::uint64_t mib = 1 << 20;
        return (quorum_offset() + table_bytes() + mib - 1) / mib * mib;
    }
    // The last block before the rings, which belongs to nobody: the tables end before it on every
    // volume. `diskhb measure` writes there; nobody reads it.
    std::uint64_t scratch_offset() const noexcept { return rings_offset() - block_bytes; }
    std::uint64_t ring_offset(slot_index slot) const noexcept {
        return rings_offset() + slot * ring_bytes;
    }
    // The byte on the volume that holds a ring position.
    std::uint64_t ring_offset(slot_index slot, std::uint64_t position) const noexcept {
        return ring_offset(slot) + (position & (ring_bytes - 1));
    }
    std::uint64_t superblock_copy_offset() const noexcept { return volume_bytes - block_bytes; }
    // What a volume must have at least.
    std::uint64_t needed_bytes() const noexcept {
        return rings_offset() + slots * ring_bytes + block_bytes;
    }
    bool operator==(const geometry&) const = default;
};

// Checks ranges, powers of two, that a ring has room for three batches with the longest frame
// (which asks for 512 KiB with blocks of 32 KiB or more) and that the parts fit the volume;
// errc::malformed otherwise. volume_bytes is rounded down to whole blocks.
result<geometry> make_geometry(std::uint32_t block_bytes, std::uint16_t slots,
                               std::uint64_t ring_bytes, std::uint64_t volume_bytes) noexcept;

}  // namespace diskhb::format
