// SPDX-License-Identifier: BSD-3-Clause
// Seeds of the simulation, in parts that CTest may run side by side.
#include <gtest/gtest.h>

#include <algorithm>

#include "seeds.hpp"
#include "simulation.hpp"

namespace diskhb::sim {
namespace {

std::uint64_t seeds() { return seeds_of(600); }

class simulation_part : public testing::TestWithParam<std::uint64_t> {};

TEST_P(simulation_part, delivers_nothing_wrong_and_recovers) {
    const std::uint64_t first = 1 + GetParam() * 1'000'000;
    outcome total;
    for (std::uint64_t seed = first; seed < first + seeds(); ++seed) {
        const outcome one = simulate(seed);
        for (const auto& violation : one.violations) {
            ADD_FAILURE() << violation << "\nto see it again: diskhb_sim --seed " << seed;
        }
        total.add(one);
    }
    EXPECT_GT(total.datagrams_delivered, 0U);
    EXPECT_GT(total.messages_delivered, 0U);
    if (seeds() < 100) {
        return;  // too few for every fault
    }
    EXPECT_GT(total.datagrams_delivered, 500 * seeds());
    EXPECT_GT(total.messages_delivered, 100 * seeds());
    for (std::size_t which = 0; which < fault_count; ++which) {
        EXPECT_GT(total.faults[which], 0U) << fault_name(static_cast<fault>(which));
    }
}

INSTANTIATE_TEST_SUITE_P(seeds, simulation_part, testing::Values(0, 1, 2, 3));

TEST(simulation, loses_no_datagram_where_nothing_fails) {
    for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(100, seeds()); ++seed) {
        const outcome one = simulate_health(seed);
        for (const auto& violation : one.violations) {
            ADD_FAILURE() << "seed " << seed << ": " << violation;
        }
    }
}

TEST(simulation, is_the_same_again_for_the_same_seed) {
    for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(10, seeds()); ++seed) {
        const auto first = simulate(seed);
        const auto again = simulate(seed);
        EXPECT_EQ(first.trace_hash, again.trace_hash) << seed;
        EXPECT_EQ(first.datagrams_delivered, again.datagrams_delivered) << seed;
        EXPECT_EQ(first.faults, again.faults) << seed;
    }
    EXPECT_NE(simulate(1).trace_hash, simulate(2).trace_hash);
}

}  // namespace
}  // namespace diskhb::sim
