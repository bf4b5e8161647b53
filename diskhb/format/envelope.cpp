// SPDX-License-Identifier: BSD-3-Clause
#include "format/envelope.hpp"

#include <cstring>

#include "format/bytes.hpp"
#include "format/crc32c.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t magic_at = 0;
constexpr std::size_t magic_bytes = 8;
constexpr std::size_t version_at = 8;
constexpr std::size_t slot_at = 10;
constexpr std::size_t length_at = 12;
constexpr std::size_t cluster_at = 16;
constexpr std::size_t incarnation_at = 32;
constexpr std::size_t sequence_at = 40;
constexpr std::size_t place_at = 48;
constexpr std::size_t reserved_at = 56;
constexpr std::size_t tag_at = 64;
constexpr std::size_t tag_bytes = 32;
constexpr std::size_t checksum_bytes = 4;
static_assert(tag_at + tag_bytes == envelope_bytes);

// The checksum of a whole block whose tag counts as zeros, whatever it holds.
std::uint32_t checksum(std::span<const std::byte> block) noexcept {
    static constexpr std::byte zeros[tag_bytes] = {};
    crc32c sum;
    sum.update(block.first(tag_at));
    sum.update(zeros);
    sum.update(block.subspan(envelope_bytes));
    return sum.value();
}

const char* magic_of(block_kind kind) noexcept {
    switch (kind) {
        case block_kind::superblock:
            return "DISKHBSB";
        case block_kind::table:
            return "DISKHBNT";
        case block_kind::quorum:
            return "DISKHBQT";
        case block_kind::batch:
            return "DISKHBBA";
    }
    DISKHB_ASSERT(false);  // not a kind
    return nullptr;
}

}  // namespace

void seal(std::span<std::byte> block, const envelope& fields) noexcept {
    DISKHB_ASSERT(block.size() >= envelope_bytes && block.size() == fields.length_bytes);
    std::memcpy(block.data() + magic_at, magic_of(fields.kind), magic_bytes);
    store(block, version_at, format_version);
    store(block, slot_at, fields.slot);
    store(block, length_at, fields.length_bytes);
    store_bytes(block, cluster_at, std::as_bytes(std::span(fields.cluster)));
    store(block, incarnation_at, fields.incarnation);
    store(block, sequence_at, fields.sequence);
    store(block, place_at, fields.place);
    store_zeros(block, reserved_at, tag_at - reserved_at);
    store_zeros(block, tag_at, tag_bytes);
    store(block, tag_at, checksum(block));
}

result<envelope> unseal(std::span<const std::byte> block, block_kind kind) noexcept {
    if (block.size() < envelope_bytes) {
        return errc::truncated;
    }
    if (all_zero(block.first(envelope_bytes))) {
        return errc::empty_block;
    }
    if (std::memcmp(block.data() + magic_at, magic_of(kind), magic_bytes) != 0) {
        return errc::bad_magic;
    }
    if (load<std::uint16_t>(block, version_at) != format_version) {
        return errc::other_version;
    }
    const auto length_bytes = load<std::uint32_t>(block, length_at);
    if (length_bytes < envelope_bytes) {
        return errc::malformed;
    }
    if (length_bytes > block.size()) {
        return errc::truncated;
    }
    const auto whole = block.first(length_bytes);
    if (load<std::uint32_t>(whole, tag_at) != checksum(whole) ||
        !all_zero(whole.subspan(tag_at + checksum_bytes, tag_bytes - checksum_bytes))) {
        return errc::torn;
    }
    if (load<std::uint64_t>(whole, reserved_at) != 0) {
        return errc::malformed;
    }
    envelope found;
    found.kind = kind;
    found.slot = load<std::uint16_t>(whole, slot_at);
    found.length_bytes = length_bytes;
    std::memcpy(found.cluster.data(), whole.data() + cluster_at, found.cluster.size());
    found.incarnation = load<std::uint64_t>(whole, incarnation_at);
    found.sequence = load<std::uint64_t>(whole, sequence_at);
    found.place = load<std::uint64_t>(whole, place_at);
    return found;
}

boost::system::error_code check_identity(const envelope& found, const uuid& cluster,
                                         slot_index slot, std::uint64_t place) noexcept {
    if (found.cluster != cluster) {
        return errc::foreign;
    }
    if (found.slot != slot || found.place != place) {
        return errc::misplaced;
    }
    return {};
}

block_stamp peek_stamp(std::span<const std::byte> block) noexcept {
    if (block.size() < envelope_bytes) {
        return {};
    }
    return {load<std::uint64_t>(block, incarnation_at), load<std::uint64_t>(block, sequence_at)};
}

}  // namespace diskhb::format
