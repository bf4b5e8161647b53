// SPDX-License-Identifier: BSD-3-Clause
// Ballots and promises: how a grant comes into force when no vote of another ring can stand any
// more (doc/quorum.md, "A ballot"). What is decided here is safe whatever lease_policy.cpp wants.
#include <algorithm>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

using format::grant_state;
using format::quorum_block;
using format::quorum_state;
using format::vote_state;

// A grant, and a ballot for one, live as long as our own blocks reach the volumes in time. Once
// over it is over: a challenger may have counted on that.
void lease::lapse() {
    if (granting_ == grant_state::none || granting_ == grant_state::revoked ||
        now_ns_ < chain_end_ns()) {
        return;
    }
    drop_grant(grant_state::none, granting_ == grant_state::granted ? lease_event::grant_lost
                                                                    : lease_event::ballot_lost);
}

// REQUIRES: a ring, and blocks that arrive in time.
void lease::start_ballot() {
    const bool votes_as_promised = vote_.vote == vote_state::yes && now_ns_ < vote_end_ns_ &&
                                   joined_.number == vote_epoch_ && joined_ring_ == ring_;
    exempting_epoch_ = votes_as_promised ? vote_epoch_ : 0;
    const std::uint64_t number =
        format::next_ballot(std::max(highest_number_, joined_.number), options_.slot);
    highest_number_ = number;
    promise({number, options_.incarnation}, ring_);
    granting_ = grant_state::claimed;
    value_ = {number, ring_, ring_members_};
    renewal_ = 0;
    successor_ = {};
    ballot_sequence_ = block_.sequence + 1;
    for (volume_state& volume : volumes_) {
        volume.ballot_known_ns = 0;
    }
    has_news_ = true;
    say(lease_event::ballot_started);
}

// A later ballot for another ring does not undo an earlier promise: who made that ballot may have
// its grant by now, because of it.
void lease::promise(const format::ballot& ballot, const ring_id& ring) {
    if (joined_ring_ != ring) {
        refused_below_ = std::max(refused_below_, joined_.number);
    }
    joined_ = ballot;
    joined_ring_ = ring;
}

void lease::drop_grant(grant_state left, lease_event why) {
    granting_ = left;
    if (left == grant_state::none) {
        value_ = {};
        granted_at_ns_ = 0;
    }
    successor_ = {};
    revoked_at_ns_ = now_ns_;
    better_since_ns_ = 0;
    free_since_ns_ = 0;
    // Not all at once again, if several have met.
    retry_ns_ =
        left == grant_state::none ? now_ns_ + (1 + options_.slot % 4) * interval_ns_ / 2 : 0;
    has_news_ = true;
    say(why);
}

void lease::advance_ballot() {
    if (granting_ == grant_state::claimed) {
        const quorum_block* const other = incumbent();
        if (other != nullptr && other->value.ring != ring_) {
            drop_grant(grant_state::none, lease_event::ballot_lost);
            return;
        }
        for (slot_index slot = 0; slot < options_.slots; ++slot) {
            if (slot != options_.slot && !is_out(slot)) {
                return;
            }
        }
        granting_ = grant_state::accepted;
        accepted_ = value_.epoch;
        acceptance_sequence_ = block_.sequence + 1;
        has_news_ = true;
    } else if (granting_ == grant_state::accepted &&
               own_.confirmed_sequence() >= acceptance_sequence_) {
        granting_ = grant_state::granted;
        granted_at_ns_ = now_ns_;
        has_news_ = true;
        say(lease_event::grant_obtained);
    }
}

// Whether that node has no vote for another ring than ours under a lower epoch, and never will.
bool lease::is_out(slot_index slot) const noexcept {
    return has_joined(slot) || is_gone(slot) || is_silent(slot) || needs_no_leave_of(slot);
}

bool lease::has_joined(slot_index slot) const noexcept {
    const quorum_block* const block = neighbours_[slot].newest();
    return block != nullptr && block->joined == joined_ &&
           !neighbours_[slot].may_live_anew();  // a new life knows no promise of the former one
}

bool lease::is_gone(slot_index slot) const noexcept {
    return neighbours_[slot].has_left() && unchanged_since_ballot_ns(slot) != 0;
}

bool lease::is_silent(slot_index slot) const noexcept {
    const std::uint64_t unchanged_ns = unchanged_since_ballot_ns(slot);
    return unchanged_ns != 0 && unchanged_ns >= neighbours_[slot].sighted_ns() + take_ns(slot);
}

// For a successor in the office of the same ring. While a vote of ours is renewed under the grant
// that was the last we joined, no grant for another ring can have come into force: its holder would
// have needed our leave. So nobody's leave is needed for a grant to the same ring; whoever can be
// asked is asked all the same.
bool lease::needs_no_leave_of(slot_index slot) const noexcept {
    if (exempting_epoch_ == 0 || vote_epoch_ != exempting_epoch_ || now_ns_ >= vote_end_ns_) {
        return false;
    }
    const neighbour& other = neighbours_[slot];
    const bool cannot_be_asked =
        other.newest() != nullptr && other.newest()->state == quorum_state::starting;
    return cannot_be_asked || now_ns_ >= other.sighted_ns() + drop_ns_ / 2;
}

// The last time when a majority of the volumes, known to hold our ballot, showed nothing new of
// that slot; 0: not yet.
std::uint64_t lease::unchanged_since_ballot_ns(slot_index slot) const noexcept {
    std::array<std::uint64_t, volumes_max> by_volume{};
    for (unsigned index = 0; index < options_.volumes; ++index) {
        const std::uint64_t known_ns = volumes_[index].ballot_known_ns;
        const std::uint64_t unchanged_ns = neighbours_[slot].unchanged_ns(index);
        by_volume[index] = known_ns != 0 && unchanged_ns >= known_ns ? unchanged_ns : 0;
    }
    return reached_by_majority(std::span(by_volume).first(options_.volumes));
}

// Its own word about how long its vote may outlive its blocks counts, if that is longer.
std::uint64_t lease::take_ns(slot_index slot) const noexcept {
    const quorum_block* const block = neighbours_[slot].newest();
    if (block == nullptr) {
        return take_ns_;
    }
    const milliseconds theirs = take_min(milliseconds(block->linger_ms), options_.times.margin);
    return std::max(take_ns_, static_cast<std::uint64_t>(theirs.count()) * 1'000'000);
}

// The highest ballot above ours that a live node is holding or has won; nullptr: none.
const quorum_block* lease::highest_ballot_seen() const noexcept {
    const quorum_block* highest = nullptr;
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const quorum_block* const block = neighbours_[slot].newest();
        if (slot == options_.slot || block == nullptr || !is_live(slot)) {
            continue;
        }
        const bool is_open = block->granting == grant_state::claimed ||
                             block->granting == grant_state::accepted ||
                             block->granting == grant_state::granted;
        if (is_open && block->joined.number == block->value.epoch &&
            block->value.epoch > joined_.number &&
            (highest == nullptr || block->value.epoch > highest->value.epoch)) {
            highest = block;
        }
    }
    return highest;
}

// To join a ballot is to promise: no vote, no grant and no ballot of ours under a lower epoch,
// unless it is a vote for the same ring. Published with the next block.
void lease::join() {
    const quorum_block* const other = highest_ballot_seen();
    if (other == nullptr) {
        patience_since_ns_ = 0;
        return;
    }
    if (granting_ == grant_state::claimed || granting_ == grant_state::accepted) {
        drop_grant(grant_state::none, lease_event::ballot_lost);
    }
    if (state_ == quorum_state::starting || !may_join(*other)) {
        return;
    }
    if (granting_ != grant_state::none) {
        drop_grant(grant_state::none, lease_event::grant_revoked);
    }
    promise({other->value.epoch, other->incarnation}, other->value.ring);
    patience_since_ns_ = 0;
    has_news_ = true;
}

bool lease::may_join(const quorum_block& other) {
    if (granting_ == grant_state::granted) {
        // A colleague of our ring may take over the office; another ring waits until we revoke.
        return other.value.ring == value_.ring;
    }
    if (!may_have_vote_outside(other.value.ring)) {
        return true;
    }
    const quorum_block* const holder = incumbent();
    if (holder != nullptr && holder->value.ring == ring_ && now_ns_ < vote_end_ns_) {
        return false;
    }
    // Nothing renews our vote any more. Corosync will soon tell of a new ring, which ends it
    // without harm; else it is withdrawn.
    if (patience_since_ns_ == 0) {
        patience_since_ns_ = now_ns_;
    } else if (now_ns_ >= patience_since_ns_ + settle_ns_) {
        refused_below_ = std::max(refused_below_, other.value.epoch);
        vote_end_ns_ = 0;
    }
    return false;
}

}  // namespace diskhb::quorum
