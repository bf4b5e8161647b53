// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/table_reader.hpp"

#include <cstring>

#include "format/assert.hpp"
#include "format/crc32c.hpp"

namespace diskhb::quorum {

table_reader::table_reader(const format::geometry& measures, const format::uuid& cluster)
    : measures_(measures),
      cluster_(cluster),
      bytes_(measures.table_bytes()),
      blocks_(measures.slots),
      sightings_(measures.slots) {}

std::span<const sighting> table_reader::read(std::span<const std::byte> table) {
    DISKHB_ASSERT(table.size() == bytes_.size());
    const std::size_t block_bytes = measures_.block_bytes;
    for (format::slot_index slot = 0; slot < measures_.slots; ++slot) {
        const auto block = table.subspan(slot * block_bytes, block_bytes);
        std::byte* const last = bytes_.data() + slot * block_bytes;
        // The reader begins with zeros, which are what an empty slot is.
        if (std::memcmp(last, block.data(), block_bytes) != 0) {
            std::memcpy(last, block.data(), block_bytes);
            sightings_[slot] = decode(slot, block);
        }
    }
    return sightings_;
}

sighting table_reader::decode(format::slot_index slot, std::span<const std::byte> block) {
    auto decoded = format::decode_quorum(block, measures_, cluster_, slot);
    if (decoded) {
        blocks_[slot] = std::move(*decoded);
        const auto& content = blocks_[slot];
        return {sighting::kind::intact, {content.incarnation, content.sequence}, &content};
    }
    if (decoded.error() == errc::empty_block) {
        return {};
    }
    format::crc32c sum;
    sum.update(block);
    return {sighting::kind::unreadable, {0, sum.value()}, nullptr};
}

}  // namespace diskhb::quorum
