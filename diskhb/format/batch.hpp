// SPDX-License-Identifier: BSD-3-Clause
// Batches: what a node appends to its ring, several frames at a time (doc/format.md, "Rings").
// Pure; any thread, one at a time.
#pragma once

#include <cstdint>
#include <span>

#include "format/envelope.hpp"
#include "format/frame.hpp"

namespace diskhb::format {

// Offsets in the batch: envelope (place = ring position, sequence = of the first frame),
// 96 frame count u32, 100 frame area bytes u32, 104 advance u64 (what the position grows by: the
// length, or for a padding batch all that is left of the lap), 112 reserved 16 (zero), 128 frames,
// then zeros up to the length.
inline constexpr std::size_t batch_header_bytes = 128;

struct batch_identity {
    uuid cluster{};
    slot_index slot = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t position = 0;  // where in the ring it starts; a multiple of the block size
};

struct batch_view {
    std::uint64_t first_sequence = 0;
    std::uint32_t frame_count = 0;
    std::uint32_t length_bytes = 0;
    std::uint64_t advance_bytes = 0;
    std::span<const std::byte> frames;  // walk with frame_reader
};

// Bytes on the volume of a batch with that many bytes of frames: whole blocks.
std::uint32_t batch_length_bytes(const geometry& measures, std::size_t frames_bytes) noexcept;

// Seals a batch in place. `buffer` starts with batch_header_bytes of room, then frames_bytes of
// encoded frames, and is at least batch_length_bytes long; the rest of it is zeroed. Returns the
// bytes to write. The batch does not cross the end of the ring (REQUIRES).
std::span<const std::byte> seal_batch(std::span<std::byte> buffer, const geometry& measures,
                                      const batch_identity& identity, std::uint64_t first_sequence,
                                      std::uint32_t frame_count, std::size_t frames_bytes) noexcept;

// A padding batch of one block that fills the rest of the lap: next position is a lap's start.
std::span<const std::byte> seal_padding(std::span<std::byte> buffer, const geometry& measures,
                                        const batch_identity& identity,
                                        std::uint64_t next_sequence) noexcept;

// Checks everything about the batch that `bytes` begins with. Besides the errors of unseal:
// foreign, misplaced (other slot); stale if of another incarnation or of an earlier position of
// the same ring offset; lapped if its position is a later one; malformed for fields that
// contradict each other. truncated if the batch is longer than `bytes`. Positions are compared
// modulo 2^64.
result<batch_view> decode_batch(std::span<const std::byte> bytes, const geometry& measures,
                                const batch_identity& expected) noexcept;

}  // namespace diskhb::format
