// SPDX-License-Identifier: BSD-3-Clause
// Two sites that share no volume: many seeds with a copier that does its worst, and what is said of
// a copy that fails one way, hangs, or is late.
#include <gtest/gtest.h>

#include "seeds.hpp"
#include "two_sites.hpp"

namespace diskhb::sim {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t second = 1000 * ms;

std::uint64_t seeds() { return seeds_of(500); }

class sites_part : public testing::TestWithParam<std::uint64_t> {};

TEST_P(sites_part, deliver_nothing_wrong_and_recover) {
    const std::uint64_t first = 1 + GetParam() * 1'000'000;
    sites_outcome total;
    for (std::uint64_t seed = first; seed < first + seeds(); ++seed) {
        const sites_outcome one = simulate_sites(seed);
        for (const auto& violation : one.violations) {
            ADD_FAILURE() << violation << "\nto see it again: diskhb_sim --sites --seed " << seed;
        }
        total.add(one);
    }
    EXPECT_GT(total.datagrams_across, 0U);
    EXPECT_GT(total.messages_delivered, 0U);
    if (seeds() < 100) {
        return;  // too few for every fault
    }
    EXPECT_GT(total.datagrams_across, 50 * seeds());
    EXPECT_GT(total.datagrams_within, 100 * seeds());
    EXPECT_GT(total.dropped_expired, 0U);
    EXPECT_GT(total.rejected_stale, 0U);
    EXPECT_GT(total.rejected_torn, 0U);
    EXPECT_GT(total.rejected_empty, 0U);
    EXPECT_GT(total.deadline_breaches, 0U);
    for (std::size_t which = 0; which < site_fault_count; ++which) {
        EXPECT_GT(total.faults[which], 0U) << site_fault_name(static_cast<site_fault>(which));
    }
    for (std::size_t which = 0; which < copy_fault_count; ++which) {
        EXPECT_GT(total.copy_faults[which], 0U) << copy_fault_name(static_cast<copy_fault>(which));
    }
}

INSTANTIATE_TEST_SUITE_P(seeds, sites_part, testing::Values(0, 1));

TEST(sites, lose_no_datagram_where_nothing_fails) {
    for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(50, seeds()); ++seed) {
        for (const auto& violation : simulate_healthy_sites(seed).violations) {
            ADD_FAILURE() << "seed " << seed << ": " << violation;
        }
    }
}

TEST(sites, are_the_same_again_for_the_same_seed) {
    for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(5, seeds()); ++seed) {
        EXPECT_EQ(simulate_sites(seed).trace_hash, simulate_sites(seed).trace_hash) << seed;
    }
}

class calm_sites_test : public testing::Test {
  protected:
    void meet(const site_plan& plan) {
        world_ = std::make_unique<two_sites>(plan, 1);
        world_->start_all();
        world_->find_together(3 * second);
    }
    // Time passes in which each node sends the others something each 10 ms.
    void talk(std::uint64_t duration_ns) {
        for (const std::uint64_t end_ns = world_->now_ns() + duration_ns;
             world_->now_ns() < end_ns;) {
            for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
                world_->node(id).send_datagram(every_node, packet_type::cluster, 100);
            }
            world_->run_until(world_->now_ns() + 10 * ms);
        }
    }
    void TearDown() override {
        world_->check_rules();
        for (const auto& violation : world_->judge().violations()) {
            ADD_FAILURE() << violation;
        }
    }
    std::unique_ptr<two_sites> world_;
};

TEST_F(calm_sites_test, name_a_copy_that_fails_one_way) {
    meet(calm_sites(5 * ms));
    EXPECT_TRUE(world_->status(1, 3).hears_us);
    world_->copier_from(0).set_cut(true);
    talk(second);
    EXPECT_EQ(world_->status(3, 1).state, peer_state::silent);
    EXPECT_EQ(world_->status(1, 3).state, peer_state::alive);
    EXPECT_FALSE(world_->status(1, 3).hears_us);
    EXPECT_EQ(world_->status(1, 2).state, peer_state::alive);
    EXPECT_TRUE(world_->status(1, 2).hears_us);
    world_->copier_from(0).set_cut(false);
    world_->find_together(second);
}

TEST_F(calm_sites_test, measure_the_lag_of_both_ways_together) {
    auto plan = calm_sites(20 * ms);
    plan.options.read_deadline = std::chrono::milliseconds(80);
    meet(plan);
    talk(2 * second);
    const auto across = world_->status(1, 3);
    EXPECT_GE(across.lag_p50.count(), 40 * 1'000'000);
    EXPECT_LE(across.lag_p50.count(), 52 * 1'000'000);
    EXPECT_LE(across.lag_p99.count(), 60 * 1'000'000);
    EXPECT_GE(across.lag_most.count(), 40 * 1'000'000);
    EXPECT_EQ(across.deadline_breaches, 0U);
    EXPECT_EQ(across.state, peer_state::alive);
    EXPECT_LE(world_->status(1, 2).lag_p99.count(), 15 * 1'000'000);
}

TEST_F(calm_sites_test, report_a_breach_of_the_deadline_within_a_second_and_its_end) {
    auto plan = calm_sites(5 * ms);
    plan.options.read_deadline = std::chrono::milliseconds(60);
    meet(plan);
    talk(second);
    EXPECT_EQ(world_->status(1, 3).state, peer_state::alive);
    auto slower = plan.copies[0];
    slower.lag_ns_min = slower.lag_ns_max = 100 * ms;
    world_->copier_from(0).change(slower);
    talk(second / 2);
    const auto late = world_->status(1, 3);
    EXPECT_EQ(late.state, peer_state::late);
    EXPECT_GT(late.deadline_breaches, 10U);
    EXPECT_EQ(late.deadline_bursts, 1U);
    EXPECT_EQ(world_->status(1, 2).state, peer_state::alive);
    EXPECT_EQ(world_->status(3, 4).state, peer_state::alive);
    world_->copier_from(0).change(plan.copies[0]);
    talk(second / 2);
    EXPECT_EQ(world_->status(1, 3).state, peer_state::alive);
    const auto breaches = world_->status(1, 3).deadline_breaches;
    talk(second);
    EXPECT_EQ(world_->status(1, 3).deadline_breaches, breaches);
}

TEST_F(calm_sites_test, go_on_within_a_site_while_its_copy_hangs) {
    meet(calm_sites(5 * ms));
    const auto before = world_->judge().datagrams_from_to(2, 1);
    world_->node(1).port(1).set_hanging(true);
    talk(second);
    EXPECT_EQ(world_->judge().datagrams_from_to(2, 1) - before, 100U);
    EXPECT_EQ(world_->status(1, 2).state, peer_state::alive);
    EXPECT_EQ(world_->status(1, 3).state, peer_state::unseen);
    EXPECT_EQ(world_->status(3, 1).state, peer_state::alive);
    world_->node(1).port(1).set_hanging(false);
    world_->find_together(second);
}

TEST_F(calm_sites_test, write_no_more_for_acknowledging_than_the_frames_ask_for) {
    meet(calm_sites(5 * ms));
    std::array<std::uint64_t, 5> writes{};
    for (std::uint32_t id = 1; id <= 4; ++id) {
        writes.at(id) = world_->node(id).count(counter::table_writes);
    }
    world_->run_until(world_->now_ns() + 10 * second);
    for (std::uint32_t id = 1; id <= 4; ++id) {  // beats alone: nobody answers an answer
        EXPECT_LE(world_->node(id).count(counter::table_writes) - writes.at(id), 202U);
    }
    const auto acknowledged = world_->node(3).count(counter::wakes_acknowledge);
    for (int frame = 0; frame < 10; ++frame) {
        world_->node(1).send_datagram(3, packet_type::cluster, 100);
        world_->run_until(world_->now_ns() + 100 * ms);
    }
    EXPECT_LE(world_->node(3).count(counter::wakes_acknowledge) - acknowledged, 10U);
    EXPECT_GT(world_->node(3).count(counter::wakes_acknowledge) - acknowledged, 5U);
}

}  // namespace
}  // namespace diskhb::sim
