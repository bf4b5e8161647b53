// SPDX-License-Identifier: BSD-3-Clause
// Whether a peer is alive, told from its beats by our own monotonic clock alone. A pure state
// machine: step(observation, now) -> state.
//
// A peer is silent only when we watched for the whole timeout. Of the time between two reads no
// more than a quarter of the timeout counts: what stalled us (the process, the volume) may have
// stalled the peer too. Yet a dead peer is found out when every read is slow.
#pragma once

#include <cstdint>

#include "diskhb/statistics.hpp"

namespace diskhb::ring {

enum class observation {
    nothing_new,  // the table was read; no new beat in the peer's block
    beat,         // a new, intact block of a running node
    farewell,     // a new, intact block that says stopped
    unreadable,   // the table could not be read
};

// What remains of a peer's state when the table was not read for unread_ns.
constexpr peer_state state_unread(peer_state last, std::uint64_t unread_ns,
                                  std::uint64_t timeout_ns) noexcept {
    const bool fades = last == peer_state::alive || last == peer_state::silent;
    return fades && unread_ns >= timeout_ns ? peer_state::unseen : last;
}

class liveness {
  public:
    // timeout_ns: without a beat for this long, the peer is silent.
    explicit liveness(std::uint64_t timeout_ns) noexcept : timeout_ns_(timeout_ns) {}

    peer_state step(observation seen, std::uint64_t now_ns) noexcept;
    peer_state state() const noexcept { return state_; }
    // When the last beat was seen; 0 if never.
    std::uint64_t heard_ns() const noexcept { return heard_ns_; }

  private:
    std::uint64_t timeout_ns_;
    std::uint64_t heard_ns_ = 0;
    std::uint64_t watched_ns_ = 0;  // without a beat
    std::uint64_t last_read_ns_ = 0;
    peer_state state_ = peer_state::unknown;
};

}  // namespace diskhb::ring
