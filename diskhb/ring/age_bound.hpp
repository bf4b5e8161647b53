// SPDX-License-Identifier: BSD-3-Clause
// How old a peer's frame can be at most, without comparing clocks of two nodes. Pure.
//
// A table block carries the writer's clock at its encoding, a frame the same clock at its
// submission: their difference is the frame's age then. To it we add how long ago the block was
// encoded at most. For that there are two bounds; the lesser holds.
//
// The echo. A block that echoes a beat of ours was encoded after its writer had read that beat, so
// after we encoded it: its age is at most the time since then, however late, in whatever order or
// how often it was copied. Later blocks of the same life were encoded later by what the writer's
// clock has gone on, less 1/50 of that: clocks may run at rates up to 2 % apart.
//
// The succession, on one shared volume only:
// - the block was not there yet in the last read that still showed its predecessor, so it became
//   visible after that read was issued;
// - between encoding and visibility a write may have hung. The writer's time between two blocks
//   is compared with our time between seeing them: what our time is longer by is delay. Only
//   durations meet here. The bound sinks by 1/50 of the time passed, so that clocks that run at
//   rates up to 2 % apart do not add up;
// - how much delay there was to begin with is in doubt. But a block is encoded after the write of
//   the one before has ended, so after the last read that did not show that one: no delay is longer
//   than the time between these two reads, and the least such time bounds the doubt.
// None of this is true of a copy, where one block may be encoded while the one before waits to be
// copied, and where a delay that never changes is not seen.
#pragma once

#include <algorithm>
#include <cstdint>

namespace diskhb::ring {

// Whether a peer's blocks are read where it writes them, or where something copies them to.
enum class block_source { shared_volume, copy };

class age_bound {
  public:
    explicit age_bound(block_source source = block_source::shared_volume) noexcept
        : source_(source) {}

    // A block of a new incarnation, encoded at clock_ns by its writer's clock, was seen first at
    // seen_ns in a read; unseen_ns: when the last read that did not show it was issued, 0 if there
    // was none.
    void restart(std::uint64_t clock_ns, std::uint64_t unseen_ns, std::uint64_t seen_ns) noexcept {
        delay_ns_ = 0;
        doubt_ns_ = unknown_ns;
        encoded_after_ns_ = 0;
        remember(clock_ns, unseen_ns, seen_ns);
    }

    // The next block of the same incarnation that was seen.
    void advance(std::uint64_t clock_ns, std::uint64_t unseen_ns, std::uint64_t seen_ns) noexcept {
        const auto ours = static_cast<std::int64_t>(seen_ns - seen_ns_);
        // The volume's numbers are not trusted to be small enough for a sum.
        const auto theirs =
            std::clamp(static_cast<std::int64_t>(clock_ns - clock_ns_), -unknown_ns, unknown_ns);
        const std::int64_t longest =
            unseen_ns_ == 0 ? unknown_ns : static_cast<std::int64_t>(unseen_ns - unseen_ns_);
        const std::int64_t delay = delay_ns_ + ours - theirs - ours / 50;
        delay_ns_ = std::clamp<std::int64_t>(delay, 0, unknown_ns);
        // Less delay than ever before: so much of it was there to begin with.
        doubt_ns_ += std::min<std::int64_t>(delay, 0);
        doubt_ns_ = std::max<std::int64_t>(std::min(doubt_ns_, longest - delay_ns_), 0);
        if (encoded_after_ns_ != 0 && theirs > 0) {
            raise(encoded_after_ns_ + static_cast<std::uint64_t>(theirs - theirs / 50), seen_ns);
        }
        remember(clock_ns, unseen_ns, seen_ns);
    }

    // The block last given echoes a beat that we encoded at encoded_ns by our clock.
    void on_echo(std::uint64_t encoded_ns) noexcept { raise(encoded_ns, seen_ns_); }

    // The most that a frame submitted at submitted_ns by the writer's clock can have aged until
    // now_ns by ours. A frame from the writer's future is infinitely old.
    std::uint64_t of(std::uint64_t submitted_ns, std::uint64_t now_ns) const noexcept {
        const std::uint64_t before_ns = clock_ns_ - submitted_ns;
        if (submitted_ns > clock_ns_ || before_ns > unknown_ns) {
            return UINT64_MAX;
        }
        std::uint64_t since_ns = unknown_ns;
        if (encoded_after_ns_ != 0) {
            since_ns = now_ns - encoded_after_ns_;
        }
        if (source_ == block_source::shared_volume) {
            since_ns = std::min(since_ns, delay_ns() + now_ns - unseen_ns_);
        }
        return before_ns + since_ns;
    }

    // A time by our clock before which the last block cannot have been encoded, as its echoes say;
    // 0 if this life has echoed nothing.
    std::uint64_t encoded_after_ns() const noexcept { return encoded_after_ns_; }

    // By the succession.
    std::uint64_t delay_ns() const noexcept {
        return static_cast<std::uint64_t>(delay_ns_ + doubt_ns_);
    }

  private:
    static constexpr std::int64_t unknown_ns = std::int64_t{1} << 60;  // 36 years

    // It was encoded before we saw it, whatever its writer's clock says.
    void raise(std::uint64_t to_ns, std::uint64_t seen_ns) noexcept {
        encoded_after_ns_ = std::max(encoded_after_ns_, std::min(to_ns, seen_ns));
    }

    void remember(std::uint64_t clock_ns, std::uint64_t unseen_ns, std::uint64_t seen_ns) noexcept {
        clock_ns_ = clock_ns;
        unseen_ns_ = unseen_ns;
        seen_ns_ = seen_ns;
    }

    block_source source_;
    std::uint64_t clock_ns_ = 0;
    std::uint64_t unseen_ns_ = 0;
    std::uint64_t seen_ns_ = 0;
    std::int64_t delay_ns_ = 0;  // beyond the least that there was
    std::int64_t doubt_ns_ = unknown_ns;
    std::uint64_t encoded_after_ns_ = 0;
};

}  // namespace diskhb::ring
