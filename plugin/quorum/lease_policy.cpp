// SPDX-License-Identifier: BSD-3-Clause
// Who asks for a grant, when, and for which ring (doc/quorum.md, "Which partition"). Nothing here
// can make a vote unsafe: a ballot too many costs time.
#include <algorithm>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

using format::grant_state;
using format::quorum_block;
using format::quorum_state;

bool lease::is_live(slot_index slot) const noexcept {
    if (slot == options_.slot) {
        return is_ready(now_ns_);
    }
    const quorum_block* const block = neighbours_[slot].newest();
    return block != nullptr && block->state != quorum_state::stopped &&
           now_ns_ < neighbours_[slot].sighted_ns() + drop_ns_;
}

std::vector<partition> lease::live_partitions() const {
    std::vector<candidate> live;
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        if (slot == options_.slot) {
            if (is_ready(now_ns_) && ring_.known()) {
                live.push_back({slot, ring_, score_});
            }
            continue;
        }
        const quorum_block* const block = neighbours_[slot].newest();
        if (is_live(slot) && block->ready && block->ring_members.test(slot)) {
            live.push_back({slot, block->ring, block->score});
        }
    }
    return partitions_of(live);
}

// Whether no live node still is in a ring that a live member of it has left.
bool lease::is_settled() const noexcept {
    const auto ring_of = [this](slot_index slot) {
        return slot == options_.slot ? ring_ : neighbours_[slot].newest()->ring;
    };
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        if (!is_live(slot)) {
            continue;
        }
        const slot_set& members =
            slot == options_.slot ? ring_members_ : neighbours_[slot].newest()->ring_members;
        for (slot_index other = 0; other < options_.slots; ++other) {
            if (members.test(other) && is_live(other) && ring_of(other) != ring_of(slot)) {
                return false;
            }
        }
    }
    return true;
}

// Of the others' grants the newest whose holder need not be taken for dead yet.
const quorum_block* lease::incumbent() const noexcept {
    const quorum_block* newest = nullptr;
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const quorum_block* const block = neighbours_[slot].newest();
        if (slot != options_.slot && block != nullptr && block->granting == grant_state::granted &&
            block->state != quorum_state::stopped &&
            now_ns_ < neighbours_[slot].sighted_ns() + take_ns(slot) &&
            (newest == nullptr || block->value.epoch > newest->value.epoch)) {
            newest = block;
        }
    }
    return newest;
}

// How many of the partition are to try before us: those that can.
unsigned lease::rank_in(const partition& mine) const noexcept {
    unsigned rank = 0;
    for (slot_index slot = 0; slot < options_.slot; ++slot) {
        const bool can =
            mine.nodes.test(slot) && neighbours_[slot].newest()->state == quorum_state::running;
        rank += can ? 1 : 0;
    }
    return rank;
}

// How long to leave it to those before us: a ballot takes a margin, and some blocks and reads, and
// the next one would end it.
std::uint64_t lease::turn_ns(unsigned rank) const noexcept {
    return rank == 0 ? 0 : interval_ns_ + rank * (margin_ns_ + 2 * interval_ns_);
}

void lease::choose() {
    if (phase_ != phase::taking_part || state_ != quorum_state::running || !ring_.known() ||
        !is_ready(now_ns_)) {
        return;
    }
    switch (granting_) {
        case grant_state::granted:
            choose_as_holder();
            break;
        case grant_state::revoked:
            choose_after_holding();
            break;
        case grant_state::none:
            choose_without_holder();
            break;
        default:
            break;
    }
}

// Whether a node of our ring has promised itself to a ballot above our grant, so that it cannot
// vote under it: one that came to nothing, or we would have seen it win.
bool lease::is_outbid() const noexcept {
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const quorum_block* const block = neighbours_[slot].newest();
        if (slot != options_.slot && is_live(slot) && block->ring == ring_ &&
            block->joined.number > value_.epoch) {
            return true;
        }
    }
    return false;
}

// A partition that has turned up beside ours and is better gets the grant. A tie is no reason:
// it is only looked at when the ring of the grant breaks.
void lease::choose_as_holder() {
    if (!is_outbid()) {
        outbid_since_ns_ = 0;
    } else if (outbid_since_ns_ == 0) {
        outbid_since_ns_ = now_ns_;
    } else if (now_ns_ >= outbid_since_ns_ + 2 * interval_ns_) {
        // A higher ballot for the same ring: nobody's vote ends over that.
        outbid_since_ns_ = 0;
        start_ballot();
        return;
    }
    const auto all = live_partitions();
    const auto best = best_partition(all, options_.ties);
    const auto mine = std::find_if(all.begin(), all.end(),
                                   [this](const partition& each) { return each.ring == ring_; });
    const bool is_better = best && mine != all.end() && best->ring != ring_ &&
                           (best->nodes.count() > mine->nodes.count() || best->score > mine->score);
    if (!is_better) {
        better_since_ns_ = 0;
    } else if (better_since_ns_ == 0) {
        better_since_ns_ = now_ns_;
    } else if (now_ns_ >= better_since_ns_ + settle_ns_) {
        drop_grant(grant_state::revoked, lease_event::grant_revoked);
        successor_ = best->ring;
    }
}

// Our ring has changed: as soon as the others have found theirs, the best one gets the grant.
void lease::choose_after_holding() {
    if (incumbent() != nullptr) {
        drop_grant(grant_state::none, lease_event::grant_revoked);
        return;
    }
    if (successor_.known()) {
        if (now_ns_ >= revoked_at_ns_ + drop_ns_) {
            drop_grant(grant_state::none, lease_event::grant_revoked);
        }
        return;
    }
    const bool has_waited = now_ns_ >= revoked_at_ns_ + settle_ns_;
    if (!has_waited && !(is_settled() && now_ns_ >= revoked_at_ns_ + interval_ns_ / 2)) {
        return;
    }
    const auto best = best_partition(live_partitions(), options_.ties);
    if (!best || best->ring == ring_) {
        start_ballot();
    } else {
        successor_ = best->ring;
        revoked_at_ns_ = now_ns_;
        has_news_ = true;
    }
}

void lease::choose_without_holder() {
    const auto all = live_partitions();
    const auto mine = std::find_if(all.begin(), all.end(),
                                   [this](const partition& each) { return each.ring == ring_; });
    if (mine == all.end() || now_ns_ < retry_ns_) {
        return;
    }
    const unsigned rank = rank_in(*mine);
    if (const quorum_block* const other = incumbent()) {
        free_since_ns_ = 0;
        const auto slot = static_cast<slot_index>(other->node_id - 1);
        const std::uint64_t sighted_ns = neighbours_[slot].sighted_ns();
        const unsigned before_us = rank - (rank > 0 && slot < options_.slot ? 1 : 0);
        // The office of our own ring is vacant: no need to wait for votes of other rings.
        if (other->value.ring == ring_ &&
            now_ns_ >= sighted_ns + drop_ns_ / 2 + before_us * interval_ns_) {
            start_ballot();
        }
        return;
    }
    if (free_since_ns_ == 0) {
        free_since_ns_ = now_ns_;
    }
    const std::uint64_t waited_ns = now_ns_ - free_since_ns_;
    const quorum_block* revoked = nullptr;
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const quorum_block* const block = neighbours_[slot].newest();
        if (slot != options_.slot && block != nullptr && block->granting == grant_state::revoked &&
            now_ns_ < neighbours_[slot].sighted_ns() + drop_ns_ &&
            (revoked == nullptr || block->value.epoch > revoked->value.epoch)) {
            revoked = block;
        }
    }
    if (revoked != nullptr && revoked->successor == ring_) {
        if (waited_ns >= turn_ns(rank)) {
            start_ballot();
        }
        return;
    }
    if ((revoked != nullptr && waited_ns < settle_ns_ + drop_ns_) ||
        (waited_ns < settle_ns_ && !(is_settled() && waited_ns >= interval_ns_))) {
        return;
    }
    // Whoever is not of the best partition lets it try first.
    const auto best = best_partition(all, options_.ties);
    const std::uint64_t first_ns = best->ring == ring_ ? 0 : settle_ns_ + 2 * drop_ns_;
    if (waited_ns >= first_ns + turn_ns(rank)) {
        start_ballot();
    }
}

}  // namespace diskhb::quorum
