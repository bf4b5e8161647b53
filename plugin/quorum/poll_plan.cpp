// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/poll_plan.hpp"

#include <algorithm>

#include "engine/clock.hpp"

namespace diskhb::quorum {

using engine::never_ns;
using format::vote_state;

poll_actions poll_plan::step(const poll_input& input, std::uint64_t now_ns) {
    std::visit([&](const auto& what) { take(what, now_ns); }, input);
    poll_actions actions;
    actions.wake_ns = next_change_ns(now_ns);
    if (const std::optional<poll_request> request = wanted(now_ns)) {
        const std::uint64_t due = due_ns(*request);
        if (due <= now_ns) {
            actions.poll = request;
        } else {
            actions.wake_ns = std::min(actions.wake_ns, due);
        }
    }
    return actions;
}

void poll_plan::take(const ring_was_seen& seen, std::uint64_t now_ns) {
    if (seen.ring != ring_) {
        ring_ = seen.ring;
        ring_since_ns_ = now_ns;
    }
}

void poll_plan::take(const poll_was_answered& answer, std::uint64_t now_ns) {
    last_ = {answer.request, answer.issued_ns, answer.was_accepted, now_ns};
}

// Nothing: say nothing, for now.
std::optional<poll_request> poll_plan::wanted(std::uint64_t now_ns) const {
    if (!ring_.known()) {
        return std::nullopt;
    }
    if (order_.ring == ring_) {
        if (order_.vote == vote_state::no) {
            return poll_request{ring_, false, order_.generation};
        }
        if (order_.vote == vote_state::yes) {
            return now_ns < order_.valid_until_ns ? poll_request{ring_, true, order_.generation}
                                                  : poll_request{ring_, false, std::nullopt};
        }
    }
    // The lease has not decided yet. What it said of a former ring counts no more: votequorum does
    // not count that vote in the new ring.
    if (now_ns - ring_since_ns_ >= options_.answer_ns) {
        return poll_request{ring_, false, std::nullopt};
    }
    return std::nullopt;
}

// When that has to be polled: at once if votequorum was told something else.
std::uint64_t poll_plan::due_ns(const poll_request& request) const {
    if (!last_ || last_->request != request) {
        return 0;
    }
    return last_->was_accepted ? last_->issued_ns + options_.interval_ns
                               : last_->answered_ns + options_.retry_ns;
}

// When what is wanted changes by itself.
std::uint64_t poll_plan::next_change_ns(std::uint64_t now_ns) const {
    if (!ring_.known()) {
        return never_ns;
    }
    if (order_.ring == ring_ && order_.vote != vote_state::undecided) {
        const bool ends = order_.vote == vote_state::yes && now_ns < order_.valid_until_ns;
        return ends ? order_.valid_until_ns : never_ns;
    }
    const std::uint64_t end_ns = ring_since_ns_ + options_.answer_ns;
    return now_ns < end_ns ? end_ns : never_ns;
}

}  // namespace diskhb::quorum
