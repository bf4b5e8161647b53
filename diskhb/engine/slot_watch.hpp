// SPDX-License-Identifier: BSD-3-Clause
// Whether another daemon is alive in our slot, before we join and afterwards. A pure state
// machine, fed with our own table block as it comes with each read of the table.
//
// A block is alive when it changes: its content is not trusted, so that a damaged or foreign block
// neither keeps us out nor lets us in early.
#pragma once

#include <cstdint>

#include "format/envelope.hpp"
#include "ring/sequence.hpp"

namespace diskhb::engine {

enum class slot_state {
    watching,  // not known yet
    free,      // nobody writes there: join
    taken,     // somebody else writes there
};

class slot_watch {
  public:
    // A slot that does not change for watch_ns is free.
    explicit slot_watch(std::uint64_t watch_ns) noexcept : watch_ns_(watch_ns) {}

    // Before joining. `vacant`: the block is intact and says stopped, or was never written.
    slot_state before_join(const format::block_stamp& stamp, bool vacant,
                           std::uint64_t now_ns) noexcept {
        if (!has_seen_) {
            has_seen_ = true;
            last_ = stamp;
            since_ns_ = now_ns;
            return state_ = vacant ? slot_state::free : slot_state::watching;
        }
        if (stamp != last_) {
            last_ = stamp;
            since_ns_ = now_ns;
            return state_ = slot_state::taken;
        }
        if (vacant || now_ns - since_ns_ >= watch_ns_) {
            return state_ = slot_state::free;
        }
        return state_;
    }

    // After joining with incarnation `ours`: taken if a block of another incarnation advances. One
    // that stands still is what was there before our first write, or an old copy put back.
    slot_state after_join(const format::block_stamp& stamp, std::uint64_t ours) noexcept {
        if (stamp.incarnation == ours || stamp.incarnation == 0) {
            return state_;
        }
        if (has_seen_ && last_.incarnation == stamp.incarnation &&
            ring::before(last_.sequence, stamp.sequence)) {
            state_ = slot_state::taken;
        }
        has_seen_ = true;
        last_ = stamp;
        return state_;
    }

    // Starts to watch anew.
    void reset() noexcept {
        has_seen_ = false;
        state_ = slot_state::watching;
    }
    slot_state state() const noexcept { return state_; }

  private:
    std::uint64_t watch_ns_;
    std::uint64_t since_ns_ = 0;
    bool has_seen_ = false;
    format::block_stamp last_;
    slot_state state_ = slot_state::watching;
};

}  // namespace diskhb::engine
