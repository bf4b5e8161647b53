// SPDX-License-Identifier: BSD-3-Clause
#include "ring/liveness.hpp"

#include <algorithm>

namespace diskhb::ring {

peer_state liveness::step(observation seen, std::uint64_t now_ns) noexcept {
    const std::uint64_t gap_ns = now_ns - last_read_ns_;
    if (seen == observation::unreadable) {
        state_ = state_unread(state_, gap_ns, timeout_ns_);
        return state_;
    }
    last_read_ns_ = now_ns;
    if (gap_ns >= timeout_ns_) {
        watched_ns_ = 0;
    } else {
        watched_ns_ += std::min(gap_ns, timeout_ns_ / 4);
    }

    if (seen == observation::beat || seen == observation::farewell) {
        heard_ns_ = now_ns;
        watched_ns_ = 0;
        state_ = seen == observation::beat ? peer_state::alive : peer_state::stopped;
    } else if ((state_ == peer_state::alive || state_ == peer_state::unseen) &&
               watched_ns_ >= timeout_ns_) {
        state_ = peer_state::silent;
    }
    return state_;
}

}  // namespace diskhb::ring
