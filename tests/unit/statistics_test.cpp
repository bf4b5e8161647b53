// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/statistics.hpp"

#include <gtest/gtest.h>

#include <set>

#include "diskhb/error.hpp"

namespace diskhb {
namespace {

TEST(statistics, name_and_explain_every_counter) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto which = static_cast<counter>(i);
        EXPECT_TRUE(names.insert(counter_name(which)).second) << counter_name(which);
        EXPECT_GT(std::string(counter_help(which)).size(), 10U) << counter_name(which);
    }
    EXPECT_STREQ(counter_name(counter::frames_submitted), "frames_submitted");
    EXPECT_STREQ(counter_name(counter::echo_requests), "echo_requests");
    EXPECT_STREQ(counter_name(counter::count_), "unknown");
}

TEST(statistics, count_every_way_in_which_a_block_is_rejected) {
    const auto first = static_cast<std::size_t>(counter::rejected_empty_block);
    for (int value = static_cast<int>(errc::empty_block); value <= static_cast<int>(errc::lapped);
         ++value) {
        const auto which = static_cast<counter>(first + static_cast<std::size_t>(value) - 1);
        EXPECT_EQ(counter_name(which),
                  std::string("rejected_") + error_name(static_cast<errc>(value)));
    }
}

TEST(statistics, name_every_state) {
    EXPECT_STREQ(ring_state_name(ring_state::waiting_for_volume), "waiting_for_volume");
    EXPECT_STREQ(ring_state_name(ring_state::watching_slot), "watching_slot");
    EXPECT_STREQ(ring_state_name(ring_state::running), "running");
    EXPECT_STREQ(ring_state_name(ring_state::volume_lost), "volume_lost");
    EXPECT_STREQ(ring_state_name(ring_state::refused), "refused");
    EXPECT_STREQ(ring_state_name(ring_state::stopped), "stopped");
    EXPECT_STREQ(peer_state_name(peer_state::unknown), "unknown");
    EXPECT_STREQ(peer_state_name(peer_state::alive), "alive");
    EXPECT_STREQ(peer_state_name(peer_state::silent), "silent");
    EXPECT_STREQ(peer_state_name(peer_state::stopped), "stopped");
    EXPECT_STREQ(peer_state_name(peer_state::unseen), "unseen");
}

TEST(statistics, look_counters_up_by_name) {
    statistics snapshot;
    snapshot.counters[static_cast<std::size_t>(counter::rejected_torn)] = 5;
    EXPECT_EQ(snapshot[counter::rejected_torn], 5U);
    EXPECT_EQ(snapshot[counter::rejected_stale], 0U);
}

}  // namespace
}  // namespace diskhb
