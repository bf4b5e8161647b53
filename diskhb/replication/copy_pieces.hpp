// SPDX-License-Identifier: BSD-3-Clause
// The pieces of a ring on their way from source to target, in the order of their positions, and
// what the target holds of the ring. Pure bookkeeping with the buffers; one thread.
//
// A piece is read, written, and checked: a table block read after the piece was read tells from
// which position on nothing had been overwritten meanwhile. Reading, writing and checking of
// different pieces overlap; what the target holds grows in order.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/block_device.hpp"

namespace diskhb::replication {

class copy_pieces {
  public:
    // count buffers of piece_bytes each; together no more than the ring.
    copy_pieces(std::size_t count, std::uint32_t piece_bytes, std::uint64_t ring_bytes);

    // The target holds positions [held_from, held_to) of the present life. Reading was begun of all
    // before read_to.
    std::uint64_t held_from() const noexcept { return held_from_; }
    std::uint64_t held_to() const noexcept { return held_to_; }
    std::uint64_t read_to() const noexcept { return read_to_; }

    // Forgets everything and begins at that position. Pieces in flight go on, to no avail.
    void begin_at(std::uint64_t position) noexcept;
    // A free buffer for the next piece, which ends before `end` and not behind the ring's end.
    // Nothing if there is none, or nothing to read.
    struct piece_io {
        std::size_t index = 0;
        std::uint64_t position = 0;
        std::span<std::byte> bytes;
    };
    std::optional<piece_io> begin_read(std::uint64_t end) noexcept;
    // It was read; table reads from number `next_table_read` on will begin after that.
    void on_read(std::size_t index, std::uint64_t next_table_read) noexcept;
    // Table read number `table_read` said that everything from `tail` on is not overwritten. What
    // may have been damaged is not held any more; from `spare_to` on it is dropped instead, so that
    // all before can still be used as a whole.
    void check(std::uint64_t tail, std::uint64_t table_read, std::uint64_t spare_to) noexcept;
    // The next piece to be written, if it was read and ends before `limit`.
    std::optional<piece_io> next_write(std::uint64_t limit) const noexcept;
    // False if it is of no use any more and need not be written; otherwise on_written follows.
    bool begin_write(std::size_t index) noexcept;
    void on_written(std::size_t index) noexcept;

    // Whether everything before that position was read and checked.
    bool is_checked_to(std::uint64_t position) const noexcept;
    std::size_t reading() const noexcept { return reading_; }
    std::size_t writing() const noexcept { return writing_; }
    // A piece has been read and waits for a table read to be checked.
    bool wants_check() const noexcept;
    std::size_t memory_bytes() const noexcept { return pieces_.size() * piece_bytes_; }

  private:
    enum class progress : std::uint8_t { free, reading, read, writing, written };
    struct piece {
        std::unique_ptr<io::aligned_buffer> buffer;
        std::uint64_t position = 0;
        std::uint32_t bytes = 0;
        progress at = progress::free;
        bool is_forgotten = false;  // in flight, and of no use any more
        bool is_checked = false;
        std::uint64_t checked_by = 0;  // table reads of this number and later
        std::uint64_t end() const noexcept { return position + bytes; }
    };

    void release(piece& of) noexcept;
    void drop(std::size_t from) noexcept;
    void retire() noexcept;

    std::uint32_t piece_bytes_;
    std::uint64_t ring_bytes_;
    std::vector<piece> pieces_;
    std::vector<std::size_t> free_;
    std::deque<std::size_t> order_;  // by position: from held_to_ to read_to_ without a gap
    std::size_t reading_ = 0;
    std::size_t writing_ = 0;
    std::size_t forgotten_writes_ = 0;  // nothing else is written before they have ended
    std::uint64_t held_from_ = 0;
    std::uint64_t held_to_ = 0;
    std::uint64_t read_to_ = 0;
};

}  // namespace diskhb::replication
