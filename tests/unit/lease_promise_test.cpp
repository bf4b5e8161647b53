// SPDX-License-Identifier: BSD-3-Clause
// One lease and blocks of others made by hand, on a volume in memory and virtual time: what it must
// not do, that only the model (tests/model) has been seen to try.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {
namespace {

using format::grant_state;
using format::quorum_block;
using format::quorum_state;
using format::vote_state;

constexpr std::uint64_t ms = 1'000'000;
constexpr slot_index slots = 4;
constexpr ring_id old_ring{1, 10};
constexpr ring_id other_ring{3, 20};

slot_set members(std::initializer_list<slot_index> of) {
    slot_set set;
    for (const slot_index slot : of) {
        set.set(slot);
    }
    return set;
}

class lease_promise : public testing::Test {
  protected:
    void start(slot_index slot, const ring_id& ring, const slot_set& ring_members) {
        lease_options options;
        options.slot = slot;
        options.slots = slots;
        options.incarnation = 1000;
        options.times = times_ = complete(timings{});
        lease_.emplace(options);
        slot_ = slot;
        step(ring_has_changed{ring, ring_members, false});
    }

    // A block of another node, in that ring; it is new with each call.
    quorum_block& write(slot_index slot, const ring_id& ring, const slot_set& ring_members,
                        std::uint64_t incarnation) {
        auto& block = blocks_[slot].emplace(blocks_[slot].value_or(quorum_block{}));
        block.sequence = block.incarnation == incarnation ? block.sequence + 1 : 1;
        block.node_id = slot + 1U;
        block.incarnation = incarnation;
        block.state = quorum_state::running;
        block.ready = true;
        block.ring = ring;
        block.ring_members = ring_members;
        return block;
    }
    void renew(slot_index slot) { ++blocks_[slot]->sequence; }

    // Every 5 ms: all I/O of the lease ends, all its polls are answered.
    void run(
        milliseconds duration, const std::function<void()>& meanwhile = [] {}) {
        for (milliseconds passed(0); passed < duration; passed += milliseconds(5)) {
            now_ns_ += 5 * ms;
            if (std::exchange(is_writing_, false)) {
                blocks_[slot_] = written_;
                step(volume_was_written{0, true});
            } else if (std::exchange(is_reading_, false)) {
                step(volume_was_read{0, now_ns_ - 5 * ms, table()});
            } else {
                step(time_has_passed{});
            }
            if (lease_->vote().vote != vote_state::undecided) {
                step(poll_was_accepted{lease_->vote().generation});
            }
            meanwhile();
        }
    }
    bool votes() const { return lease_->vote().vote == vote_state::yes; }
    grant_state granting() const { return lease_->block().granting; }
    std::uint64_t joined() const { return lease_->block().joined.number; }

    std::optional<lease> lease_;
    timings times_;
    std::array<std::optional<quorum_block>, slots> blocks_;

  private:
    void step(const lease_input& input) {
        const lease_actions& actions = lease_->step(input, now_ns_);
        if (!actions.writes.empty()) {
            is_writing_ = true;
            written_ = lease_->block();
        }
        is_reading_ = is_reading_ || !actions.reads.empty();
    }
    std::span<const sighting> table() {
        for (slot_index slot = 0; slot < slots; ++slot) {
            const auto& block = blocks_[slot];
            table_[slot] = block ? sighting{sighting::kind::intact,
                                            {block->incarnation, block->sequence},
                                            &*block}
                                 : sighting{};
        }
        return table_;
    }

    slot_index slot_ = 0;
    std::uint64_t now_ns_ = 1000 * ms;
    bool is_writing_ = false, is_reading_ = false;
    quorum_block written_;
    std::array<sighting, slots> table_;
};

// Node 1 has promised itself to node 2's ballot for another ring, which may be granted because of
// it. It then ballots for its own ring, whose grant is from before both.
TEST_F(lease_promise, outlasts_a_later_ballot_for_the_own_ring) {
    const slot_set all = members({0, 1, 2});
    const std::uint64_t granted = format::next_ballot(0, 0);
    const std::uint64_t claimed = format::next_ballot(granted, 2);
    quorum_block& holder = write(0, old_ring, all, 7);
    holder.joined = {granted, 7};
    holder.granting = grant_state::granted;
    holder.accepted = granted;
    holder.value = {granted, old_ring, all};
    quorum_block& challenger = write(2, other_ring, members({2}), 9);
    challenger.joined = {claimed, 9};
    challenger.granting = grant_state::claimed;
    challenger.value = {claimed, other_ring, members({2})};

    start(1, old_ring, all);
    run(milliseconds(2000), [&] {
        renew(0);
        renew(2);
    });
    ASSERT_EQ(joined(), claimed);
    // An answer at last; then the holder is silent, and its office vacant.
    run(milliseconds(1000), [&] {
        holder.echoes[1] = {blocks_[1]->incarnation, blocks_[1]->sequence};
        renew(0);
        renew(2);
    });
    EXPECT_FALSE(votes());
    bool has_balloted = false;
    run(times_.drop, [&] {
        renew(2);
        has_balloted = has_balloted || joined() > claimed;
        EXPECT_FALSE(votes());
    });
    EXPECT_TRUE(has_balloted);
}

// Node 1 has joined, is started anew, and may vote elsewhere: it knows no promise.
TEST_F(lease_promise, ends_with_the_life_that_made_it) {
    const slot_set both = members({0, 1});
    const auto live = [&] {
        renew(0);
        renew(1);
    };
    write(0, old_ring, both, 7);
    write(1, old_ring, both, 8);
    start(2, other_ring, members({2}));
    for (int round = 0; granting() != grant_state::claimed && round < 3000; ++round) {
        run(milliseconds(5), live);
    }
    ASSERT_EQ(granting(), grant_state::claimed);
    blocks_[1]->joined = lease_->block().joined;
    run(milliseconds(200), live);
    ASSERT_EQ(granting(), grant_state::claimed);
    // One block of the new life, and what the other one's leave is waited for.
    write(1, old_ring, both, 80).joined = {};
    blocks_[0]->joined = lease_->block().joined;
    run(milliseconds(500), [&] {
        renew(0);
        EXPECT_EQ(granting(), grant_state::claimed);
    });
    blocks_[1]->joined = lease_->block().joined;
    run(milliseconds(500), live);
    EXPECT_EQ(granting(), grant_state::granted);
}

// Two that ballot at once could both miss the other's block in a stale read.
TEST_F(lease_promise, of_the_silent_counts_a_margin_after_the_ballot_was_seen) {
    // A dead holder: the ballot begins when its silence is long enough.
    const std::uint64_t granted = format::next_ballot(0, 0);
    quorum_block& holder = write(0, old_ring, members({0, 1}), 7);
    holder.granting = grant_state::granted;
    holder.value = {granted, old_ring, members({0, 1})};
    write(1, old_ring, members({0, 1}), 8);
    start(2, other_ring, members({2}));
    milliseconds claimed(0);
    for (int round = 0; granting() != grant_state::granted && round < 6000; ++round) {
        run(milliseconds(5));
        claimed += milliseconds(granting() == grant_state::claimed ? 5 : 0);
    }
    EXPECT_EQ(granting(), grant_state::granted);
    EXPECT_GE(claimed, times_.margin);
}

}  // namespace
}  // namespace diskhb::quorum
