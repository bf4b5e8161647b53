// SPDX-License-Identifier: BSD-3-Clause
// Where the next batch of a node goes in its ring, and what of the ring is still valid. Pure
// bookkeeping, no I/O; owned by the flusher's thread.
//
// A batch is written first and committed when its write has completed; only then may a table block
// announce it. The tail is kept so far behind the head that the next write, padding included,
// touches nothing of [tail, head): what a reader is told to be valid is never being overwritten.
#pragma once

#include <cstdint>
#include <vector>

#include "format/geometry.hpp"

namespace diskhb::ring {

// The longest batch on such a volume. Part of the format: a reader reads that much at once.
constexpr std::uint32_t longest_batch_bytes(const format::geometry& measures) noexcept {
    const std::uint64_t third =
        measures.ring_bytes / 3 / measures.block_bytes * measures.block_bytes;
    return static_cast<std::uint32_t>(third < (1 << 20) ? third : (1 << 20));
}

struct log_start {
    std::uint64_t position = 0;  // a multiple of the ring size
    std::uint64_t sequence = 0;
};

class send_log {
  public:
    // batch_bytes: the longest batch we write: whole blocks, at most longest_batch_bytes.
    send_log(const format::geometry& measures, std::uint32_t batch_bytes, log_start start = {});

    struct placement {
        std::uint64_t position = 0;          // of the batch
        std::uint64_t padding_position = 0;  // of the padding batch before it
        std::uint64_t padding_bytes = 0;     // 0: none needed
    };
    // For a batch of that many bytes, which must not cross the end of the ring.
    placement place(std::uint32_t length_bytes) const noexcept;
    // The write at that placement has completed. first_sequence: of its first frame, not before
    // head_sequence(); what lies between was never put into the ring (a failed write).
    void commit(const placement& at, std::uint32_t length_bytes, std::uint64_t first_sequence,
                std::uint32_t frame_count) noexcept;
    // Nothing in the ring is to be read any more (the volume was away); numbers go on.
    void forget(std::uint64_t next_sequence) noexcept;

    std::uint64_t tail() const noexcept;
    std::uint64_t tail_sequence() const noexcept;
    std::uint64_t head() const noexcept { return head_; }
    std::uint64_t head_sequence() const noexcept { return head_sequence_; }

  private:
    struct entry {
        std::uint64_t position = 0;
        std::uint64_t first_sequence = 0;
    };
    void push(const entry& added) noexcept;
    void drop_overwritten_next() noexcept;

    std::uint64_t ring_bytes_;
    std::uint64_t block_bytes_;
    std::uint64_t reserve_bytes_;  // what the next write may touch at most
    std::uint64_t head_;
    std::uint64_t head_sequence_;
    std::vector<entry> entries_;  // a circle with room for a batch a block
    std::size_t first_ = 0;
    std::size_t used_ = 0;
};

}  // namespace diskhb::ring
