// SPDX-License-Identifier: BSD-3-Clause
// Seeds of the simulation of a channel, in parts that CTest may run side by side.
#include <gtest/gtest.h>

#include <algorithm>

#include "channel_simulation.hpp"
#include "seeds.hpp"

namespace diskhb::sim {
namespace {

std::uint64_t seeds() { return seeds_of(250); }

class channel_part : public testing::TestWithParam<std::uint64_t> {};

TEST_P(channel_part, delivers_all_once_and_in_order) {
    const std::uint64_t first = 1 + GetParam() * 1'000'000;
    channel_outcome total;
    for (std::uint64_t seed = first; seed < first + seeds(); ++seed) {
        const auto one = simulate_channel(seed);
        for (const auto& violation : one.violations) {
            ADD_FAILURE() << violation << "\nto see it again: diskhb_sim --channel --seed " << seed;
        }
        total.add(one);
    }
    EXPECT_GT(total.messages_delivered, 100 * seeds());
    if (seeds() >= 100) {
        EXPECT_GT(total.duplicates, 0U);
        EXPECT_GT(total.refused_windows, 0U);
        for (std::size_t which = 0; which < channel_fault_count; ++which) {
            EXPECT_GT(total.faults[which], 0U)
                << channel_fault_name(static_cast<channel_fault>(which));
        }
    }
}

TEST_P(channel_part, is_not_held_up_for_longer_than_three_heartbeats_by_a_cut) {
    const std::uint64_t first = 1 + GetParam() * 1'000'000;
    // Ten cuts a seed.
    for (std::uint64_t seed = first; seed < first + (seeds() + 4) / 5; ++seed) {
        for (const auto& violation : simulate_channel_cuts(seed).violations) {
            ADD_FAILURE() << violation << "\nto see it again: diskhb_sim --channel-cuts --seed "
                          << seed;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(seeds, channel_part, testing::Values(0, 1, 2, 3));

TEST(channel_simulation, is_the_same_again_for_the_same_seed) {
    for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(10, seeds()); ++seed) {
        EXPECT_EQ(simulate_channel(seed).trace_hash, simulate_channel(seed).trace_hash) << seed;
    }
    EXPECT_NE(simulate_channel(1).trace_hash, simulate_channel(2).trace_hash);
}

}  // namespace
}  // namespace diskhb::sim
