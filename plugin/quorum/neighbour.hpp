// SPDX-License-Identifier: BSD-3-Clause
// What a node knows of one slot of the quorum table, over all volumes. Pure; one thread.
//
// Two kinds of knowledge, kept apart. What a block *says* stays true whatever a device gives back
// later: it was written. That a node is *silent* is told from reads that show nothing new, and only
// time and repetition make it knowledge (doc/quorum.md, "Silence").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "plugin/quorum/table_reader.hpp"

namespace diskhb::quorum {

inline constexpr unsigned volumes_max = 5;

class neighbour {
  public:
    // A read of `volume`, issued and completed at these times, showed this. Returns whether it
    // brought a newer block.
    bool show(unsigned volume, const sighting& shown, std::uint64_t issued_ns,
              std::uint64_t completed_ns);
    // Another node says that it has read this block of this slot. What is newer than all that we
    // know is a sign of life, too.
    void hear_of(const format::quorum_echo& echo, std::uint64_t now_ns);

    // When there was last anything new of it, on any volume; 0: never read.
    std::uint64_t sighted_ns() const noexcept { return sighted_ns_; }
    // Its newest block; none before one was read.
    const format::quorum_block* newest() const noexcept { return newest_ ? &*newest_ : nullptr; }
    // The issue of the last read that still returned an older block: the newest is no older than
    // that. 0: unknown, as after the first sight.
    std::uint64_t newest_base_ns() const noexcept { return newest_base_ns_; }
    format::quorum_echo heard() const noexcept {
        return newest_ ? format::quorum_echo{newest_->incarnation, newest_->sequence}
                       : format::quorum_echo{};
    }

    // When the last read of that volume was issued that showed the same as the one before, if
    // enough of them did since the last change; 0: no such read.
    std::uint64_t unchanged_ns(unsigned volume) const noexcept;
    const sighting& shown(unsigned volume) const noexcept { return displays_[volume].last; }
    bool was_shown(unsigned volume) const noexcept { return displays_[volume].known; }
    // Whether there was a sign of another incarnation than the newest block's, which has not shown
    // that it goes on since.
    bool may_live_anew() const noexcept { return other_life_ != 0; }
    // Whether its newest block says stopped, or it never wrote one, and nothing hints at another
    // life since.
    bool has_left() const noexcept;
    // Whether no volume shows anything but an empty slot.
    bool is_empty() const noexcept;

  private:
    // A single read may be stale; that many, over the time that silence takes, are not.
    static constexpr unsigned repeats_min = 3;
    static constexpr std::size_t lives_max = 8;

    struct display {
        bool known = false;
        sighting last;  // its block pointer is not kept
        std::uint64_t unchanged_ns = 0;
        unsigned repeats = 0;
        std::uint64_t intact_ns = 0;  // issue of the last read that showed an intact block
    };
    struct life {
        std::uint64_t incarnation = 0;
        std::uint64_t shown = 0;  // the highest sequence that we have read
        std::uint64_t heard = 0;  // the highest that others say they have read
    };

    bool is_news(const format::quorum_block& block);
    void hint_at(std::uint64_t incarnation, std::uint64_t now_ns) noexcept;
    life& life_of(std::uint64_t incarnation);

    std::array<display, volumes_max> displays_{};
    std::optional<format::quorum_block> newest_;
    std::uint64_t newest_base_ns_ = 0;
    std::uint64_t sighted_ns_ = 0;
    std::uint64_t other_life_ = 0;  // the incarnation of may_live_anew; 0: none
    std::uint64_t other_life_ns_ = 0;
    std::vector<life> lives_;  // the last few, for old copies of former ones
};

// The `majority`-th highest of the values: reached or passed by a majority of the volumes.
std::uint64_t reached_by_majority(std::span<const std::uint64_t> by_volume) noexcept;

}  // namespace diskhb::quorum
