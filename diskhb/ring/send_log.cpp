// SPDX-License-Identifier: BSD-3-Clause
#include "ring/send_log.hpp"

#include "format/assert.hpp"
#include "ring/sequence.hpp"

namespace diskhb::ring {

send_log::send_log(const format::geometry& measures, std::uint32_t batch_bytes, log_start start)
    : ring_bytes_(measures.ring_bytes),
      block_bytes_(measures.block_bytes),
      reserve_bytes_(std::uint64_t{batch_bytes} * 2),
      head_(start.position),
      head_sequence_(start.sequence),
      entries_(measures.ring_bytes / measures.block_bytes + 1) {
    DISKHB_ASSERT(batch_bytes > 0 && batch_bytes % measures.block_bytes == 0);
    DISKHB_ASSERT(std::uint64_t{batch_bytes} * 3 <= ring_bytes_);
    DISKHB_ASSERT(start.position % ring_bytes_ == 0);
}

send_log::placement send_log::place(std::uint32_t length_bytes) const noexcept {
    const std::uint64_t left = ring_bytes_ - (head_ & (ring_bytes_ - 1));
    if (length_bytes <= left) {
        return {.position = head_, .padding_position = head_, .padding_bytes = 0};
    }
    return {.position = head_ + left, .padding_position = head_, .padding_bytes = left};
}

void send_log::commit(const placement& at, std::uint32_t length_bytes, std::uint64_t first_sequence,
                      std::uint32_t frame_count) noexcept {
    DISKHB_ASSERT(at.padding_position == head_);
    DISKHB_ASSERT(!before(first_sequence, head_sequence_));
    if (at.padding_bytes != 0) {
        push({at.padding_position, head_sequence_});
    }
    push({at.position, first_sequence});
    head_ = at.position + length_bytes;
    head_sequence_ = first_sequence + frame_count;
    drop_overwritten_next();
}

void send_log::forget(std::uint64_t next_sequence) noexcept {
    DISKHB_ASSERT(!before(next_sequence, head_sequence_));
    used_ = 0;
    head_sequence_ = next_sequence;
}

std::uint64_t send_log::tail() const noexcept {
    return used_ == 0 ? head_ : entries_[first_].position;
}

std::uint64_t send_log::tail_sequence() const noexcept {
    return used_ == 0 ? head_sequence_ : entries_[first_].first_sequence;
}

void send_log::push(const entry& added) noexcept {
    DISKHB_ASSERT(used_ < entries_.size());
    entries_[(first_ + used_) % entries_.size()] = added;
    ++used_;
}

void send_log::drop_overwritten_next() noexcept {
    while (used_ > 0 && head_ + reserve_bytes_ - entries_[first_].position > ring_bytes_) {
        first_ = (first_ + 1) % entries_.size();
        --used_;
    }
}

}  // namespace diskhb::ring
