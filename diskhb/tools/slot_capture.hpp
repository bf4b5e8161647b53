// SPDX-License-Identifier: BSD-3-Clause
// The packets that lie in one slot of a volume, for `diskhb capture`: those that its node's table
// block names, those of earlier laps and lives that nothing has overwritten yet, and what is
// missing between them. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/batch.hpp"
#include "format/superblock.hpp"
#include "format/table_block.hpp"

namespace diskhb::tools {

struct captured_frame {
    std::uint64_t sequence = 0;
    std::uint64_t submitted_ns = 0;  // by the writer's clock
    format::slot_index destination = 0;
    format::frame_kind kind = format::frame_kind::datagram;
    std::vector<std::byte> payload;
    std::uint64_t missing_before = 0;  // frames between the one before in the log and this one
    bool is_announced = true;          // false: its node ended before it told others of it
};

// One life of a node's daemon.
struct captured_life {
    std::uint64_t incarnation = 0;
    bool is_latest = false;
    std::vector<captured_frame> frames;  // by sequence
    std::uint64_t missing = 0;           // frames between the first and the end that are not there
};

struct slot_capture {
    format::slot_index slot = 0;
    boost::system::error_code table_error;            // of its table block
    std::optional<format::table_header> header;       // if that is intact
    std::vector<captured_life> lives;                 // the latest one last
    std::map<std::string, std::uint64_t> unreadable;  // blocks of the ring that begin no batch and
                                                      // are no part of one, by kind
};

// All that is there. `ring` is the slot's whole ring.
slot_capture capture_slot(std::span<const std::byte> table_block, std::span<const std::byte> ring,
                          const format::superblock& volume, format::slot_index slot);

// Follows a life as it goes on: what new frames there are, each once, with what was missed.
class slot_follower {
  public:
    slot_follower(const format::superblock& volume, format::slot_index slot)
        : volume_(&volume), slot_(slot) {}

    struct range {
        std::uint64_t position = 0;
        std::uint64_t bytes = 0;
    };
    // A new look at the slot's block. What to read of the ring now, without crossing its end; none:
    // nothing, or the block is not intact. The first look begins at what is newest.
    std::optional<range> on_table(std::span<const std::byte> block);
    // What was read there; asks for more as on_table does.
    std::optional<range> on_ring(std::span<const std::byte> bytes);
    // Those found since the last call. Inline frames come after on_ring has wanted nothing more.
    std::vector<captured_frame> take();

    std::uint64_t incarnation() const noexcept { return header_.incarnation; }
    std::uint64_t missing() const noexcept { return missing_; }
    std::uint64_t clock_ns() const noexcept { return header_.clock_ns; }

  private:
    std::optional<range> wanted();
    void add(const format::frame& content, std::uint64_t sequence);
    void add_area(std::span<const std::byte> area, std::uint64_t first_sequence);

    const format::superblock* volume_;
    format::slot_index slot_;
    format::table_header header_;
    std::vector<std::byte> inline_frames_;
    std::uint64_t position_ = 0;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t missing_ = 0;
    unsigned failures_ = 0;  // in a row, at position_
    std::vector<captured_frame> found_;
};

}  // namespace diskhb::tools
