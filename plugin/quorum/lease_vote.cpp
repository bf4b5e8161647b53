// SPDX-License-Identifier: BSD-3-Clause
// The vote: how long it stands, and what Corosync is told (doc/quorum.md, "A vote").
#include <algorithm>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

using format::grant_state;
using format::quorum_block;
using format::quorum_state;
using format::vote_state;

std::optional<slot_index> lease::holder(std::uint64_t now_ns) const noexcept {
    if (granting_ == grant_state::granted && is_ready(now_ns)) {
        return options_.slot;
    }
    const quorum_block* const other = incumbent();
    return other != nullptr ? std::optional(static_cast<slot_index>(other->node_id - 1))
                            : std::nullopt;
}

// Until when the grant in that slot lets us vote in our ring; 0: not at all.
std::uint64_t lease::vote_end_under(slot_index holder) const noexcept {
    if (holder == options_.slot) {
        return granting_ == grant_state::granted && value_.ring == ring_ ? chain_end_ns() : 0;
    }
    const quorum_block* const block = neighbours_[holder].newest();
    if (block == nullptr || block->granting != grant_state::granted || block->value.ring != ring_ ||
        !block->value.members.test(options_.slot)) {
        return 0;
    }
    // The holder has read that block of ours, so its answer is no older than the block. And the
    // renewal is no older than the last read that did not show it.
    const format::quorum_echo& echo = block->echoes[options_.slot];
    const own_blocks::record* const answered =
        echo.incarnation == options_.incarnation ? own_.find(echo.sequence) : nullptr;
    const std::uint64_t base_ns = neighbours_[holder].newest_base_ns();
    if (answered == nullptr || base_ns == 0 || chain_ns_ == 0) {
        return 0;
    }
    return std::min({answered->made_ns, base_ns, chain_ns_}) + drop_ns_;
}

void lease::extend_vote() {
    if (!ring_.known() || phase_ != phase::taking_part) {
        return;
    }
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const std::uint64_t end_ns = vote_end_under(slot);
        if (end_ns <= std::max(vote_end_ns_, now_ns_)) {
            continue;
        }
        const bool is_ours = slot == options_.slot;
        const std::uint64_t epoch =
            is_ours ? value_.epoch : neighbours_[slot].newest()->value.epoch;
        const bool is_promised_away = epoch < joined_.number && joined_ring_ != ring_;
        if (is_promised_away || epoch < refused_below_) {
            continue;
        }
        if (epoch > joined_.number) {
            if (granting_ != grant_state::none) {
                drop_grant(grant_state::none, lease_event::ballot_lost);
            }
            promise({epoch, neighbours_[slot].newest()->incarnation}, ring_);
        }
        vote_end_ns_ = end_ns;
        vote_epoch_ = epoch;
    }
}

vote_state lease::wanted_vote() {
    if (phase_ != phase::taking_part || !ring_.known()) {
        return vote_state::no;
    }
    if (now_ns_ < vote_end_ns_) {
        return vote_state::yes;
    }
    if (now_ns_ < answer_by_ns_ && is_ready(now_ns_) && !is_decided_against()) {
        return vote_state::undecided;
    }
    if (answer_by_ns_ != 0 && now_ns_ >= answer_by_ns_) {
        say(lease_event::said_no_in_time);
    }
    return vote_state::no;
}

// Whether another ring has the grant, and its holder has seen what we have seen.
bool lease::is_decided_against() const noexcept {
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const quorum_block* const block = neighbours_[slot].newest();
        if (slot == options_.slot || block == nullptr || !is_live(slot) ||
            block->granting != grant_state::granted || block->value.ring == ring_ ||
            block->ring != block->value.ring) {
            continue;
        }
        const bool is_newer = block->value.epoch > epoch_at_change_;
        const bool has_stayed =
            block->value.ring != last_ring_ && now_ns_ >= ring_since_ns_ + settle_ns_;
        if (is_newer || has_stayed) {
            return true;
        }
    }
    return false;
}

void lease::order_vote() {
    const vote_state wanted = wanted_vote();
    if (wanted != vote_state::undecided) {
        // The sync phase ends with our answer.
        answer_by_ns_ = 0;
    }
    if (wanted == vote_state::yes) {
        standing_ring_ = ring_;
        standing_end_ns_ = std::max(standing_end_ns_, vote_end_ns_ + poll_ns_);
    }
    if (wanted != vote_.vote || ring_ != vote_.ring) {
        if (wanted == vote_state::yes) {
            say(lease_event::vote_cast);
        } else if (vote_.vote == vote_state::yes) {
            say(lease_event::vote_withdrawn);
        }
        ++vote_.generation;
        vote_.ring = ring_;
        vote_.vote = wanted;
        has_news_ = true;
    }
    vote_.valid_until_ns = wanted == vote_state::yes ? vote_end_ns_ : 0;
}

// Whether a vote of ours, or of our former life, may stand in votequorum for another ring.
bool lease::may_have_vote_outside(const ring_id& ring) const noexcept {
    if (former_life_may_vote_ && now_ns_ < started_ns_ + poll_ns_) {
        return true;
    }
    return now_ns_ < standing_end_ns_ && standing_ring_ != ring;
}

}  // namespace diskhb::quorum
