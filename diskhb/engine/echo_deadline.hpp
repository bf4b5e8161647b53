// SPDX-License-Identifier: BSD-3-Clause
// Measures how long it takes until a peer has read what we wrote for it, by our clock alone: from
// the start of the write to the first block of the peer that acknowledges it. Says when that takes
// longer than the read deadline. A pure state machine; its owner has the lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/latency.hpp"
#include "ring/sequence.hpp"

namespace diskhb::engine {

class echo_deadline {
  public:
    // deadline_ns 0: nothing is ever late.
    explicit echo_deadline(std::uint64_t deadline_ns) noexcept : deadline_ns_(deadline_ns) {}

    // A block with frames for the peer, all before end_sequence, whose write began then. Of more
    // than outstanding_most unacknowledged ones the newest are not followed.
    void on_written(std::uint64_t end_sequence, std::uint64_t begun_ns) noexcept {
        if (used_ < outstanding_most) {
            at(used_++) = {end_sequence, begun_ns};
        }
    }

    // A new block of the peer says that it has read everything before read_sequence, and echoes
    // a beat that we encoded at encoded_ns (0: unknown).
    void on_echo(std::uint64_t read_sequence, std::uint64_t encoded_ns,
                 std::uint64_t now_ns) noexcept {
        step(now_ns);
        while (used_ > 0 && !ring::before(read_sequence, at(0).end_sequence)) {
            const std::uint64_t lag_ns = now_ns - std::min(now_ns, at(0).begun_ns);
            lag_.record(lag_ns);
            most_ns_ = std::max(most_ns_, lag_ns);
            is_late_ = is_over(lag_ns);
            first_ = (first_ + 1) % outstanding_most;
            --used_;
            overdue_ -= std::min<std::size_t>(overdue_, 1);
        }
        // While there are no frames, any beat that comes back in time shows that all is well.
        if (used_ == 0 && encoded_ns != 0 && !is_over(now_ns - std::min(now_ns, encoded_ns))) {
            is_late_ = false;
        }
    }

    // Counts the blocks whose deadline has passed meanwhile.
    void step(std::uint64_t now_ns) noexcept {
        const std::size_t overdue = overdue_at(now_ns);
        breaches_ += overdue - overdue_;
        bursts_ += overdue != overdue_ && !is_late_ ? 1 : 0;
        is_late_ = is_late_ || overdue != overdue_;
        overdue_ = overdue;
    }

    // The peer is away, or has forgotten us: it owes us nothing.
    void restart() noexcept {
        used_ = 0;
        overdue_ = 0;
        is_late_ = false;
    }

    // As of now_ns, also when step() was not called for long.
    bool is_late(std::uint64_t now_ns) const noexcept {
        return is_late_ || overdue_at(now_ns) != overdue_;
    }
    std::uint64_t breaches(std::uint64_t now_ns) const noexcept {
        return breaches_ + overdue_at(now_ns) - overdue_;
    }
    // How often it became late.
    std::uint64_t bursts(std::uint64_t now_ns) const noexcept {
        return bursts_ + (!is_late_ && overdue_at(now_ns) != overdue_ ? 1 : 0);
    }
    const latency_histogram& lag() const noexcept { return lag_; }
    std::uint64_t lag_most_ns() const noexcept { return most_ns_; }

  private:
    static constexpr std::size_t outstanding_most = 1024;
    struct written {
        std::uint64_t end_sequence = 0;
        std::uint64_t begun_ns = 0;
    };

    written& at(std::size_t index) noexcept {
        return outstanding_[(first_ + index) % outstanding_most];
    }
    const written& at(std::size_t index) const noexcept {
        return outstanding_[(first_ + index) % outstanding_most];
    }
    bool is_over(std::uint64_t lag_ns) const noexcept {
        return deadline_ns_ != 0 && lag_ns > deadline_ns_;
    }
    // How many of the outstanding ones, the oldest, are past the deadline.
    std::size_t overdue_at(std::uint64_t now_ns) const noexcept {
        std::size_t count = overdue_;
        while (count < used_ && at(count).begun_ns < now_ns &&
               is_over(now_ns - at(count).begun_ns)) {
            ++count;
        }
        return count;
    }

    std::uint64_t deadline_ns_;
    std::array<written, outstanding_most> outstanding_{};  // a circle
    std::size_t first_ = 0;
    std::size_t used_ = 0;
    std::size_t overdue_ = 0;  // of these, counted as breaches
    bool is_late_ = false;
    std::uint64_t breaches_ = 0;
    std::uint64_t bursts_ = 0;
    std::uint64_t most_ns_ = 0;
    latency_histogram lag_;
};

}  // namespace diskhb::engine
