// SPDX-License-Identifier: BSD-3-Clause
// When the node table is read next.
#include "engine/poll_policy.hpp"

#include <gtest/gtest.h>

namespace diskhb::engine {
namespace {

constexpr std::uint64_t us = 1000;
constexpr poll_settings settings{20 * us, 2000 * us, 10'000 * us};

TEST(poll_policy, polls_often_while_data_flows) {
    poll_policy poll(settings);
    poll.on_activity(1000 * us);
    const auto next = poll.next_ns(1000 * us, 1010 * us);
    EXPECT_LE(next, 1030 * us);
    EXPECT_GE(next, 1010 * us);
    EXPECT_FALSE(poll.is_idle());
}

TEST(poll_policy, backs_off_to_the_idle_interval_and_stays_there) {
    poll_policy poll(settings);
    std::uint64_t at = 5000 * us;
    std::uint64_t last_interval = 0;
    for (int round = 0; round < 12; ++round) {
        const auto next = poll.next_ns(at, at + 5 * us);
        EXPECT_GE(next - at, last_interval);
        last_interval = next - at;
        at = next;
    }
    EXPECT_EQ(last_interval, settings.idle_ns);
    EXPECT_TRUE(poll.is_idle());
}

TEST(poll_policy, counts_idle_intervals_from_issue_to_issue_whatever_a_read_takes) {
    poll_policy poll(settings);
    std::uint64_t at = 5000 * us;
    for (int round = 0; round < 12; ++round) {
        at = poll.next_ns(at, at);
    }
    EXPECT_EQ(poll.next_ns(at, at + 3000 * us), at + settings.idle_ns);
    EXPECT_EQ(poll.next_ns(at, at + 30'000 * us), at + 30'000 * us);
}

TEST(poll_policy, is_hot_again_at_the_first_activity) {
    poll_policy poll(settings);
    for (int round = 0; round < 12; ++round) {
        poll.next_ns(1, 1);
    }
    EXPECT_TRUE(poll.is_idle());
    poll.on_activity(9000 * us);
    EXPECT_LE(poll.next_ns(9000 * us, 9001 * us), 9021 * us);
    EXPECT_FALSE(poll.is_idle());
}

TEST(poll_policy, never_polls_slower_when_hot_than_when_idle) {
    poll_policy poll({100'000 * us, 2000 * us, 10'000 * us});
    poll.on_activity(1);
    EXPECT_LE(poll.next_ns(1, 2), 2 + 10'000 * us);
}

}  // namespace
}  // namespace diskhb::engine
