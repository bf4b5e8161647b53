// SPDX-License-Identifier: BSD-3-Clause
// The first and the last block of a volume: whose it is, and its measures (doc/format.md,
// "Superblock"). Pure functions over spans; any thread.
#pragma once

#include <span>
#include <string>

#include "format/envelope.hpp"
#include "format/geometry.hpp"

namespace diskhb::format {

// Offsets in the block: 96 block bytes u32, 100 slots u16, 102 name bytes u16, 104 ring bytes u64,
// 112 volume bytes u64, 120 compatible features u64, 128 incompatible features u64,
// 136 formatted_at_s u64, 144 cluster name, then zeros. The envelope: slot, incarnation and
// sequence 0, cluster its uuid.
inline constexpr std::size_t cluster_name_bytes_max = 255;

// Feature bits. A reader refuses a volume with an incompatible bit it does not know; it may ignore
// compatible ones. Version 1 defines none.
inline constexpr std::uint64_t known_incompatible_features = 0;

struct superblock {
    uuid cluster{};
    std::string cluster_name;  // 1 .. cluster_name_bytes_max bytes, printable ASCII
    geometry measures;
    std::uint64_t compatible_features = 0;
    std::uint64_t incompatible_features = 0;
    std::uint64_t formatted_at_s = 0;  // seconds since 1970, for people only
    bool operator==(const superblock&) const = default;
};

// Writes one block of measures.block_bytes for the given offset (0, or superblock_copy_offset()).
void encode_superblock(std::span<std::byte> block, const superblock& content,
                       std::uint64_t offset) noexcept;

// `block` may be longer than the superblock. Unknown incompatible features: other_version.
// An intact block written for another offset: misplaced.
result<superblock> decode_superblock(std::span<const std::byte> block, std::uint64_t offset);

// Lower-case text as in RFC 4122.
std::string to_string(const uuid& value);

}  // namespace diskhb::format
