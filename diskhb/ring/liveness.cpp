// SPDX-License-Identifier: BSD-3-Clause
#include "ring/liveness.hpp"

namespace diskhb::ring {

peer_state liveness::step(observation seen, std::uint64_t now_ns) noexcept {
    if (seen == observation::unreadable) {
        if (state_ != peer_state::unknown && state_ != peer_state::stopped &&
            now_ns - last_read_ns_ >= timeout_ns_) {
            state_ = peer_state::unseen;
        }
        return state_;
    }
    // A gap in our own reading is forgiven: the peer may have beaten meanwhile.
    const std::uint64_t gap_ns = now_ns - last_read_ns_;
    if (gap_ns > timeout_ns_ / 4) {
        watched_since_ns_ = now_ns;
    }
    last_read_ns_ = now_ns;

    switch (seen) {
        case observation::beat:
        case observation::farewell:
            heard_ns_ = now_ns;
            watched_since_ns_ = now_ns;
            state_ = seen == observation::beat ? peer_state::alive : peer_state::stopped;
            break;
        case observation::nothing_new:
            if ((state_ == peer_state::alive || state_ == peer_state::unseen) &&
                now_ns - watched_since_ns_ >= timeout_ns_) {
                state_ = peer_state::silent;
            }
            break;
        case observation::unreadable:
            break;
    }
    return state_;
}

}  // namespace diskhb::ring
