// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/poll_plan.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/clock.hpp"

namespace diskhb::quorum {

// For the messages of failed tests.
static void PrintTo(const poll_request& request, std::ostream* out) {
    *out << (request.cast_vote ? "yes" : "no") << " for ring " << request.ring.sequence;
    request.generation ? *out << " by order " << *request.generation : *out << " by itself";
}

namespace {

using format::vote_state;

constexpr std::uint64_t interval_ns = 5000;
constexpr std::uint64_t retry_ns = 200;
constexpr std::uint64_t answer_ns = 20000;
constexpr ring_id first_ring{1, 4};
constexpr ring_id second_ring{1, 8};

vote_order order(std::uint64_t generation, const ring_id& ring, vote_state vote,
                 std::uint64_t valid_until_ns = 0) {
    vote_order made;
    made.generation = generation;
    made.ring = ring;
    made.vote = vote;
    made.valid_until_ns = valid_until_ns;
    return made;
}

poll_request yes(const ring_id& ring, std::uint64_t generation) { return {ring, true, generation}; }
poll_request no(const ring_id& ring, std::uint64_t generation) { return {ring, false, generation}; }
poll_request withdrawal(const ring_id& ring) { return {ring, false, std::nullopt}; }

class poll_plan_test : public testing::Test {
  protected:
    poll_actions at(std::uint64_t now_ns, const poll_input& input = time_has_passed{}) {
        now_ns_ = now_ns;
        return plan_.step(input, now_ns);
    }
    // Corosync takes the poll, or not, at once.
    poll_actions answer(const poll_request& request, bool was_accepted = true) {
        return plan_.step(poll_was_answered{request, now_ns_, was_accepted}, now_ns_);
    }
    // In the first ring since time 1000.
    void join() { at(1000, ring_was_seen{first_ring}); }

    poll_plan plan_{{interval_ns, retry_ns, answer_ns}};
    std::uint64_t now_ns_ = 0;
};

TEST_F(poll_plan_test, says_nothing_before_there_is_a_ring) {
    EXPECT_FALSE(at(1000).poll);
    EXPECT_FALSE(at(2000, order(1, {}, vote_state::no)).poll);
    EXPECT_EQ(at(1'000'000).wake_ns, engine::never_ns);
}

TEST_F(poll_plan_test, polls_a_new_order_at_once) {
    join();
    EXPECT_EQ(at(1001, order(1, first_ring, vote_state::no)).poll, no(first_ring, 1));
    answer(no(first_ring, 1));
    EXPECT_EQ(at(1002, order(2, first_ring, vote_state::yes, 4000)).poll, yes(first_ring, 2));
    answer(yes(first_ring, 2));
    EXPECT_EQ(at(1003, order(3, first_ring, vote_state::no)).poll, no(first_ring, 3));
}

TEST_F(poll_plan_test, asks_for_a_poll_until_it_was_answered) {
    join();
    at(1001, order(1, first_ring, vote_state::no));
    EXPECT_EQ(at(1002).poll, no(first_ring, 1));
    EXPECT_FALSE(answer(no(first_ring, 1)).poll);
}

TEST_F(poll_plan_test, polls_again_an_interval_after_the_last_was_issued) {
    join();
    at(2000, order(1, first_ring, vote_state::no));
    EXPECT_EQ(answer(no(first_ring, 1)).wake_ns, 2000 + interval_ns);
    EXPECT_FALSE(at(2000 + interval_ns - 1).poll);
    EXPECT_EQ(at(2000 + interval_ns).poll, no(first_ring, 1));
}

TEST_F(poll_plan_test, withdraws_a_vote_at_its_end_by_itself) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 3000));
    EXPECT_EQ(answer(yes(first_ring, 1)).wake_ns, 3000u);
    EXPECT_FALSE(at(2999).poll);
    EXPECT_EQ(at(3000).poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, never_polls_a_vote_that_is_over_when_it_is_ordered) {
    join();
    EXPECT_EQ(at(3000, order(1, first_ring, vote_state::yes, 3000)).poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, withdraws_after_a_call_that_outlasted_the_vote) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 3000));
    const poll_actions after = plan_.step(poll_was_answered{yes(first_ring, 1), 2000, true}, 90000);
    EXPECT_EQ(after.poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, a_renewal_moves_the_end_and_needs_no_poll) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 3000));
    answer(yes(first_ring, 1));
    const poll_actions renewed = at(2500, order(1, first_ring, vote_state::yes, 4000));
    EXPECT_FALSE(renewed.poll);
    EXPECT_EQ(renewed.wake_ns, 4000u);
    EXPECT_FALSE(at(3500).poll);
    EXPECT_EQ(at(4000).poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, a_renewal_after_a_withdrawal_votes_again) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 3000));
    answer(yes(first_ring, 1));
    at(3000);
    answer(withdrawal(first_ring));
    EXPECT_EQ(at(3001, order(1, first_ring, vote_state::yes, 4000)).poll, yes(first_ring, 1));
}

TEST_F(poll_plan_test, a_vote_polled_again_keeps_its_end) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 2000 + interval_ns + 10));
    answer(yes(first_ring, 1));
    EXPECT_EQ(at(2000 + interval_ns).poll, yes(first_ring, 1));
    EXPECT_EQ(answer(yes(first_ring, 1)).wake_ns, 2000 + interval_ns + 10);
}

TEST_F(poll_plan_test, says_nothing_while_undecided) {
    join();
    EXPECT_FALSE(at(2000, order(1, first_ring, vote_state::undecided)).poll);
    EXPECT_FALSE(at(1000 + answer_ns - 1).poll);
}

TEST_F(poll_plan_test, says_no_by_itself_when_undecided_for_too_long) {
    join();
    const poll_actions waiting = at(2000, order(1, first_ring, vote_state::undecided));
    EXPECT_EQ(waiting.wake_ns, 1000 + answer_ns);
    EXPECT_EQ(at(1000 + answer_ns).poll, withdrawal(first_ring));
    answer(withdrawal(first_ring));
    EXPECT_EQ(at(1000 + answer_ns + interval_ns).poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, says_no_by_itself_when_no_order_comes_for_a_new_ring) {
    join();
    at(1001, order(1, first_ring, vote_state::yes, 9'000'000));
    answer(yes(first_ring, 1));
    EXPECT_FALSE(at(5000, ring_was_seen{second_ring}).poll);
    EXPECT_EQ(at(5000).wake_ns, 5000 + answer_ns);
    EXPECT_EQ(at(5000 + answer_ns).poll, withdrawal(second_ring));
}

TEST_F(poll_plan_test, the_end_of_a_vote_does_not_decide_for_the_next_ring) {
    join();
    at(1001, order(1, first_ring, vote_state::yes, 6000));
    answer(yes(first_ring, 1));
    at(5000, ring_was_seen{second_ring});
    EXPECT_FALSE(at(6000).poll);
    EXPECT_EQ(at(7000, order(2, second_ring, vote_state::yes, 9000)).poll, yes(second_ring, 2));
}

TEST_F(poll_plan_test, never_polls_for_a_former_ring) {
    join();
    at(1001, ring_was_seen{second_ring});
    EXPECT_FALSE(at(1002, order(1, first_ring, vote_state::yes, 9000)).poll);
    EXPECT_FALSE(at(1003, order(2, first_ring, vote_state::no)).poll);
}

TEST_F(poll_plan_test, tries_again_what_was_refused_but_only_while_it_is_right) {
    join();
    at(2000, order(1, first_ring, vote_state::yes, 2300));
    EXPECT_EQ(answer(yes(first_ring, 1), false).wake_ns, 2000 + retry_ns);
    EXPECT_FALSE(at(2100).poll);
    EXPECT_EQ(at(2200).poll, yes(first_ring, 1));
    answer(yes(first_ring, 1), false);
    EXPECT_EQ(at(2300).poll, withdrawal(first_ring));
    answer(withdrawal(first_ring), false);
    EXPECT_EQ(at(2300 + retry_ns).poll, withdrawal(first_ring));
}

TEST_F(poll_plan_test, a_ring_that_is_told_twice_is_one) {
    join();
    at(9000, ring_was_seen{first_ring});
    EXPECT_EQ(at(1000 + answer_ns).poll, withdrawal(first_ring));
}

// Whatever comes in which order: a vote is polled only under the newest order, for the present ring
// and before its end, and the plan asks to be woken at that end.
TEST_F(poll_plan_test, random_inputs_never_make_it_vote_wrongly) {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937_64 random(seed);
        const auto draw = [&](std::uint64_t below) { return random() % below; };
        poll_plan plan({interval_ns, retry_ns, answer_ns});
        vote_order newest;
        ring_id ring;
        std::uint64_t now_ns = 1;
        unsigned votes = 0;
        for (int round = 0; round < 400; ++round) {
            now_ns += draw(2000);
            poll_input input = time_has_passed{};
            if (draw(3) == 0) {
                newest = order(newest.generation + draw(2), draw(4) == 0 ? first_ring : ring,
                               static_cast<vote_state>(draw(3)), now_ns + draw(4000));
                input = newest;
            } else if (draw(8) == 0) {
                ring.node_id = 1;
                ring.sequence += 4;
                input = ring_was_seen{ring};
            }
            const poll_actions actions = plan.step(input, now_ns);
            if (!actions.poll) {
                ASSERT_TRUE(actions.wake_ns > now_ns);
                continue;
            }
            ASSERT_EQ(actions.poll->ring, ring);
            if (actions.poll->cast_vote) {
                ++votes;
                ASSERT_EQ(newest.vote, vote_state::yes);
                ASSERT_EQ(newest.ring, ring);
                ASSERT_EQ(newest.generation, actions.poll->generation);
                ASSERT_LT(now_ns, newest.valid_until_ns);
            }
            const bool was_accepted = draw(4) != 0;
            const poll_actions next =
                plan.step(poll_was_answered{*actions.poll, now_ns, was_accepted}, now_ns);
            ASSERT_FALSE(next.poll);
            if (actions.poll->cast_vote) {
                ASSERT_LE(next.wake_ns, newest.valid_until_ns);
            }
        }
        ASSERT_GT(votes, 0u);
    }
}

}  // namespace
}  // namespace diskhb::quorum
