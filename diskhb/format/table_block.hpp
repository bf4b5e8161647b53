// SPDX-License-Identifier: BSD-3-Clause
// A node's block in the node table: that it lives, how far its log goes, what it has read from
// every peer, and its newest frames inline (doc/format.md, "Node table"). Pure; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "format/envelope.hpp"
#include "format/frame.hpp"

namespace diskhb::format {

// Part of the format on disk: do not change the values.
enum class node_state : std::uint16_t { running = 1, stopped = 2 };

// What a node has read from one peer. All zero: nothing of any incarnation.
// Offsets: 0 incarnation, 8 read_sequence, 16 message_sequence, 24 beat; each u64.
struct acknowledgement {
    std::uint64_t incarnation = 0;       // the peer's, as read
    std::uint64_t read_sequence = 0;     // every frame before this one was read or is lost
    std::uint64_t message_sequence = 0;  // every message piece to us before this one was delivered
    std::uint64_t beat = 0;              // of the peer's newest table block that was accepted
    bool operator==(const acknowledgement&) const = default;
};
inline constexpr std::size_t acknowledgement_bytes = 32;

// Offsets in the block: 96 node_id u32, 100 state u16, 102 ack count u16, 104 clock_ns u64,
// 112 tail u64, 120 tail_sequence u64, 128 head u64, 136 head_sequence u64, 144 inline bytes u32,
// 148 inline count u32, 152 reserved u64 (zero), 160 acknowledgements (one a slot), then the
// inline frames, then zeros.
inline constexpr std::size_t table_fixed_bytes = 160;

struct table_header {
    std::uint32_t node_id = 0;  // the Corosync node id, slot + 1
    node_state state = node_state::running;
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;  // the beat: grows with each write of this block
    std::uint64_t clock_ns = 0;  // the writer's clock when it encoded this block
    // The log of this incarnation: batches lie in the ring at positions [tail, head); the frames
    // in them are numbered [tail_sequence, head_sequence). The inline frames follow on.
    std::uint64_t tail = 0;
    std::uint64_t tail_sequence = 0;
    std::uint64_t head = 0;
    std::uint64_t head_sequence = 0;
    bool operator==(const table_header&) const = default;
};

struct table_view : table_header {
    std::span<const std::byte> acknowledgements;  // encoded, one a slot: see acknowledgement_of
    std::span<const std::byte> inline_frames;     // walk with frame_reader
    std::uint32_t inline_count = 0;
};

// Room for inline frames in a table block.
std::size_t inline_capacity_bytes(const geometry& measures) noexcept;

// Writes and seals one whole block. acks.size() == slots; inline_frames fit the capacity, hold
// inline_count whole frames.
void encode_table(std::span<std::byte> block, const geometry& measures, const uuid& cluster,
                  const table_header& header, std::span<const acknowledgement> acks,
                  std::span<const std::byte> inline_frames, std::uint32_t inline_count) noexcept;

// Unseals, checks identity for that slot, then every field (malformed): state, ack count,
// node_id == slot + 1, incarnation != 0, head - tail <= ring_bytes and both multiples of the block
// size, tail_sequence not after head_sequence, inline area and its frames. Differences of
// positions and sequences are taken modulo 2^64. The spans point into `block`.
result<table_view> decode_table(std::span<const std::byte> block, const geometry& measures,
                                const uuid& cluster, slot_index slot) noexcept;

// One acknowledgement of a view. REQUIRES: slot < slots of the volume the view was decoded for.
acknowledgement acknowledgement_of(const table_view& view, slot_index slot) noexcept;

}  // namespace diskhb::format
