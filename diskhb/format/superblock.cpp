// SPDX-License-Identifier: BSD-3-Clause
#include "format/superblock.hpp"

#include <algorithm>

#include "format/bytes.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t block_bytes_at = 96;
constexpr std::size_t slots_at = 100;
constexpr std::size_t name_bytes_at = 102;
constexpr std::size_t ring_bytes_at = 104;
constexpr std::size_t volume_bytes_at = 112;
constexpr std::size_t compatible_at = 120;
constexpr std::size_t incompatible_at = 128;
constexpr std::size_t formatted_at = 136;
constexpr std::size_t name_at = 144;
static_assert(name_at + cluster_name_bytes_max <= block_bytes_min);

bool printable(const std::string& text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

void encode_superblock(std::span<std::byte> block, const superblock& content,
                       std::uint64_t offset) noexcept {
    const geometry& measures = content.measures;
    DISKHB_ASSERT(block.size() == measures.block_bytes);
    DISKHB_ASSERT(!content.cluster_name.empty() &&
                  content.cluster_name.size() <= cluster_name_bytes_max);
    store_zeros(block, 0, block.size());
    store(block, block_bytes_at, measures.block_bytes);
    store(block, slots_at, measures.slots);
    store(block, name_bytes_at, static_cast<std::uint16_t>(content.cluster_name.size()));
    store(block, ring_bytes_at, measures.ring_bytes);
    store(block, volume_bytes_at, measures.volume_bytes);
    store(block, compatible_at, content.compatible_features);
    store(block, incompatible_at, content.incompatible_features);
    store(block, formatted_at, content.formatted_at_s);
    store_bytes(block, name_at, std::as_bytes(std::span(content.cluster_name)));

    envelope fields;
    fields.kind = block_kind::superblock;
    fields.length_bytes = measures.block_bytes;
    fields.cluster = content.cluster;
    fields.place = offset;
    seal(block, fields);
}

result<superblock> decode_superblock(std::span<const std::byte> block, std::uint64_t offset) {
    const auto fields = unseal(block, block_kind::superblock);
    if (!fields) {
        return fields.error();
    }
    if (fields->slot != 0 || fields->place != offset) {
        return errc::misplaced;
    }
    if (fields->length_bytes < block_bytes_min) {
        return errc::malformed;
    }
    superblock found;
    found.cluster = fields->cluster;
    // Before all others: an unknown feature may change what they mean.
    found.incompatible_features = load<std::uint64_t>(block, incompatible_at);
    if ((found.incompatible_features & ~known_incompatible_features) != 0) {
        return errc::other_version;
    }
    found.compatible_features = load<std::uint64_t>(block, compatible_at);
    found.formatted_at_s = load<std::uint64_t>(block, formatted_at);

    const auto volume_bytes = load<std::uint64_t>(block, volume_bytes_at);
    const auto measures = make_geometry(load<std::uint32_t>(block, block_bytes_at),
                                        load<std::uint16_t>(block, slots_at),
                                        load<std::uint64_t>(block, ring_bytes_at), volume_bytes);
    if (!measures || measures->volume_bytes != volume_bytes ||
        measures->block_bytes != fields->length_bytes) {
        return errc::malformed;
    }
    if (offset != 0 && offset != measures->superblock_copy_offset()) {
        return errc::misplaced;
    }
    found.measures = *measures;

    const auto name_bytes = load<std::uint16_t>(block, name_bytes_at);
    if (name_bytes == 0 || name_bytes > cluster_name_bytes_max) {
        return errc::malformed;
    }
    const auto name = block.subspan(name_at, name_bytes);
    found.cluster_name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    if (!printable(found.cluster_name)) {
        return errc::malformed;
    }
    return found;
}

std::string to_string(const uuid& value) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        text += digits[value[i] >> 4];
        text += digits[value[i] & 0xf];
    }
    return text;
}

}  // namespace diskhb::format
