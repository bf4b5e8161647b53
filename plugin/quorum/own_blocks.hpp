// SPDX-License-Identifier: BSD-3-Clause
// The blocks that this node has written: when each was made, what had been read by then, and which
// of them a majority of the volumes holds, as read back. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "plugin/quorum/neighbour.hpp"

namespace diskhb::quorum {

// One a slot.
using echoes = std::vector<format::quorum_echo>;

class own_blocks {
  public:
    struct record {
        std::uint64_t sequence = 0;
        std::uint64_t made_ns = 0;
        echoes heard;  // the newest block of each slot that we had read then
    };

    explicit own_blocks(unsigned volumes) noexcept : volumes_(volumes) {}

    // A block was made. Sequences grow by one. Returns where to put what was heard.
    record& add(std::uint64_t sequence, std::uint64_t now_ns);
    // A volume gave back our block of that sequence. Returns
    // whether a newer block is now on a majority of the volumes.
    bool confirm(unsigned volume, std::uint64_t sequence);

    // The newest block that a majority of the volumes was seen to hold; nullptr: none, or
    // forgotten.
    const record* confirmed() const noexcept { return find(confirmed_); }
    std::uint64_t confirmed_sequence() const noexcept { return confirmed_; }
    // nullptr: not ours, or so old that nothing rests on it any more.
    const record* find(std::uint64_t sequence) const noexcept;
    // Lets go of what was made before, but for the last one.
    void forget_before(std::uint64_t time_ns) noexcept;

  private:
    unsigned volumes_;
    std::array<std::uint64_t, volumes_max> on_volume_{};  // the highest sequence it gave back
    std::uint64_t confirmed_ = 0;
    std::deque<record> records_;
    std::vector<echoes> spare_;  // memory of forgotten records
};

}  // namespace diskhb::quorum
