// SPDX-License-Identifier: BSD-3-Clause
// From the bytes of a quorum table to what each slot shows. One object a volume; one thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "format/quorum_block.hpp"

namespace diskhb::quorum {

// What a slot of a volume showed in one read.
struct sighting {
    enum class kind : std::uint8_t {
        empty,       // never written
        unreadable,  // torn, foreign, misplaced, of another version ...
        intact,
    };
    kind what = kind::empty;
    // Intact: incarnation and sequence. Unreadable: a checksum, which tells when it changes.
    format::block_stamp stamp;
    const format::quorum_block* block = nullptr;  // intact only

    bool same_as(const sighting& other) const noexcept {
        return what == other.what && stamp == other.stamp;
    }
};

class table_reader {
  public:
    table_reader(const format::geometry& measures, const format::uuid& cluster);

    std::size_t table_bytes() const noexcept { return bytes_.size(); }
    // One a slot; what they point to is valid until the next read. A block whose bytes did not
    // change is not decoded again. REQUIRES: table.size() == table_bytes().
    std::span<const sighting> read(std::span<const std::byte> table);

  private:
    sighting decode(format::slot_index slot, std::span<const std::byte> block);

    format::geometry measures_;
    format::uuid cluster_;
    std::vector<std::byte> bytes_;  // of the last read
    std::vector<format::quorum_block> blocks_;
    std::vector<sighting> sightings_;
};

}  // namespace diskhb::quorum
