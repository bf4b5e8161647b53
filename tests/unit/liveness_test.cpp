// SPDX-License-Identifier: BSD-3-Clause
// Alive, silent, stopped, unseen: told from beats and our own clock.
#include "ring/liveness.hpp"

#include <gtest/gtest.h>

namespace diskhb::ring {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t timeout_ns = 1000 * ms;

class liveness_test : public testing::Test {
  protected:
    peer_state see(observation what, std::uint64_t at_ms) { return life_.step(what, at_ms * ms); }
    // Reads every `step_ms` up to and with `end_ms`, without news.
    peer_state watch(std::uint64_t begin_ms, std::uint64_t end_ms, std::uint64_t step_ms = 10) {
        for (std::uint64_t at = begin_ms; at <= end_ms; at += step_ms) {
            see(observation::nothing_new, at);
        }
        return life_.state();
    }
    liveness life_{timeout_ns};
};

TEST_F(liveness_test, knows_nothing_of_a_peer_that_never_beat) {
    EXPECT_EQ(watch(5000, 20'000), peer_state::unknown);
    EXPECT_EQ(see(observation::unreadable, 90'000), peer_state::unknown);
}

TEST_F(liveness_test, is_silent_only_after_the_whole_timeout_was_watched) {
    EXPECT_EQ(see(observation::beat, 5000), peer_state::alive);
    EXPECT_EQ(life_.heard_ns(), 5000 * ms);
    EXPECT_EQ(watch(5010, 5990), peer_state::alive);
    EXPECT_EQ(watch(6000, 6000), peer_state::silent);
    EXPECT_EQ(see(observation::beat, 6010), peer_state::alive);
}

TEST_F(liveness_test, forgives_a_gap_in_our_own_reading) {
    see(observation::beat, 5000);
    // We were frozen for a minute; the volume may have been, too.
    EXPECT_EQ(see(observation::nothing_new, 65'000), peer_state::alive);
    EXPECT_EQ(watch(65'010, 65'990), peer_state::alive);
    EXPECT_EQ(watch(66'000, 66'000), peer_state::silent);
}

TEST_F(liveness_test, counts_at_most_a_quarter_of_the_timeout_for_a_gap) {
    see(observation::beat, 5000);
    EXPECT_EQ(see(observation::nothing_new, 5900), peer_state::alive);
    EXPECT_EQ(watch(5910, 6640), peer_state::alive);
    EXPECT_EQ(watch(6650, 6650), peer_state::silent);
}

TEST_F(liveness_test, finds_out_a_dead_peer_though_every_read_is_slow) {
    see(observation::beat, 5000);
    EXPECT_EQ(watch(5400, 6400, 400), peer_state::alive);
    EXPECT_EQ(watch(6600, 6600), peer_state::silent);
}

TEST_F(liveness_test, says_unseen_and_not_silent_while_the_volume_cannot_be_read) {
    see(observation::beat, 5000);
    EXPECT_EQ(see(observation::unreadable, 5500), peer_state::alive);
    EXPECT_EQ(see(observation::unreadable, 6000), peer_state::unseen);
    // Readable again: the peer has the whole timeout to show itself.
    EXPECT_EQ(see(observation::nothing_new, 9000), peer_state::unseen);
    EXPECT_EQ(watch(9010, 9990), peer_state::unseen);
    EXPECT_EQ(watch(10'000, 10'000), peer_state::silent);
}

TEST_F(liveness_test, remembers_a_farewell) {
    see(observation::beat, 5000);
    EXPECT_EQ(see(observation::farewell, 5010), peer_state::stopped);
    EXPECT_EQ(watch(5020, 90'000), peer_state::stopped);
    EXPECT_EQ(see(observation::unreadable, 99'000), peer_state::stopped);
    EXPECT_EQ(see(observation::beat, 99'010), peer_state::alive);
}

TEST_F(liveness_test, says_unseen_of_a_state_that_grows_old_while_a_read_hangs) {
    EXPECT_EQ(state_unread(peer_state::alive, timeout_ns - 1, timeout_ns), peer_state::alive);
    EXPECT_EQ(state_unread(peer_state::alive, timeout_ns, timeout_ns), peer_state::unseen);
    EXPECT_EQ(state_unread(peer_state::silent, timeout_ns, timeout_ns), peer_state::unseen);
    EXPECT_EQ(state_unread(peer_state::stopped, timeout_ns, timeout_ns), peer_state::stopped);
    EXPECT_EQ(state_unread(peer_state::unknown, timeout_ns, timeout_ns), peer_state::unknown);
}

}  // namespace
}  // namespace diskhb::ring
