// SPDX-License-Identifier: BSD-3-Clause
// The first envelope_bytes of every block or batch on a volume: what makes it prove itself
// (doc/format.md, "Envelope"). Pure functions over spans; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "diskhb/error.hpp"
#include "format/geometry.hpp"

namespace diskhb::format {

inline constexpr std::uint16_t format_version = 1;
inline constexpr std::size_t envelope_bytes = 96;

// Part of the format on disk: do not change the values.
enum class block_kind : std::uint8_t { superblock = 1, table = 2, quorum = 3, batch = 4 };

// Offsets in bytes, all numbers little-endian:
//   0 magic "DISKHB" + kind as two characters ("SB" "NT" "QT" "BA")   8
//   8 format version u16    10 slot u16    12 length u32 (all bytes the checksum covers)
//  16 cluster uuid 16       32 incarnation u64    40 sequence u64    48 place u64
//  56 reserved u64, zero    64 tag 32: CRC32C u32, then zeros (room for an authentication tag)
// The checksum is taken over all `length` bytes with the tag set to zero.
struct envelope {
    block_kind kind = block_kind::superblock;
    slot_index slot = 0;             // the owner; 0 for the superblock
    std::uint32_t length_bytes = 0;  // a multiple of the volume's block size
    uuid cluster{};                  // drawn by `diskhb format`
    std::uint64_t incarnation = 0;   // drawn by the writer at each start; never 0 in table, batch
    std::uint64_t sequence = 0;      // table: counts the writes of this incarnation (the beat).
                                     // batch: sequence of its first frame
    std::uint64_t place = 0;         // byte offset on the volume; for a batch its ring position
    bool operator==(const envelope&) const = default;
};

// Writes the envelope and the checksum over the whole span, whose size is envelope.length_bytes
// and whose bytes after envelope_bytes are already in their final state.
void seal(std::span<std::byte> block, const envelope& fields) noexcept;

// Checks, in this order: bounds (truncated), all-zero header (empty_block), magic and kind
// (bad_magic), version (other_version), length against `block` (truncated; malformed if below
// envelope_bytes), checksum and the zeros of the tag (torn), reserved zeros (malformed). Identity
// (cluster, slot, place) is for check_identity, since only intact bytes can be compared.
// `block` may be longer than the length that the envelope names.
result<envelope> unseal(std::span<const std::byte> block, block_kind kind) noexcept;

// The identity that a block must have where it was read: foreign if the cluster differs, misplaced
// if slot or place do, otherwise no error.
boost::system::error_code check_identity(const envelope& found, const uuid& cluster,
                                         slot_index slot, std::uint64_t place) noexcept;

// Incarnation and sequence as they stand in the bytes, unchecked: tells whether a block is worth
// checking at all. Zeros if the span is too short.
struct block_stamp {
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;
    bool operator==(const block_stamp&) const = default;
};
block_stamp peek_stamp(std::span<const std::byte> block) noexcept;

}  // namespace diskhb::format
