// SPDX-License-Identifier: BSD-3-Clause
// Every reason for which the flusher wakes.
#include "engine/flush_policy.hpp"

#include <gtest/gtest.h>

namespace diskhb::engine {
namespace {

constexpr std::uint64_t now_ns = 1'000'000;
constexpr flush_settings at_once{true, 1000, 50, 10'000};
constexpr flush_settings gathering{false, 1000, 50, 10'000};

flush_input input(std::size_t queued_bytes, std::uint64_t oldest_ns = now_ns) {
    flush_input made;
    made.queued_bytes = queued_bytes;
    made.oldest_ns = oldest_ns;
    made.last_write_ns = now_ns - 100;
    return made;
}

TEST(flush_policy, writes_at_once_when_the_device_is_idle) {
    EXPECT_EQ(decide_flush(at_once, input(1), now_ns).reason, counter::wakes_idle_device);
}

TEST(flush_policy, writes_after_a_write_what_has_gathered_meanwhile) {
    auto after = input(1);
    after.after_write = true;
    EXPECT_EQ(decide_flush(at_once, after, now_ns).reason, counter::wakes_write_done);
}

TEST(flush_policy, gathers_until_the_fill_point) {
    EXPECT_FALSE(decide_flush(gathering, input(999), now_ns).reason);
    EXPECT_EQ(decide_flush(gathering, input(1000), now_ns).reason, counter::wakes_fill);
}

TEST(flush_policy, gathers_until_the_oldest_frame_reaches_its_deadline) {
    const auto waits = decide_flush(gathering, input(10, now_ns - 49), now_ns);
    EXPECT_FALSE(waits.reason);
    EXPECT_EQ(waits.sleep_until_ns, now_ns + 1);
    EXPECT_EQ(decide_flush(gathering, input(10, now_ns - 50), now_ns).reason,
              counter::wakes_deadline);
}

TEST(flush_policy, beats_when_there_is_nothing_to_send) {
    const auto waits = decide_flush(at_once, input(0), now_ns);
    EXPECT_FALSE(waits.reason);
    EXPECT_EQ(waits.sleep_until_ns, now_ns - 100 + 10'000);
    EXPECT_EQ(decide_flush(at_once, input(0), now_ns + 9900).reason, counter::wakes_beat);
}

TEST(flush_policy, acknowledges_in_time_before_the_beat) {
    auto owing = input(0);
    owing.acknowledge_by_ns = now_ns + 20;
    EXPECT_EQ(decide_flush(at_once, owing, now_ns).sleep_until_ns, now_ns + 20);
    EXPECT_EQ(decide_flush(at_once, owing, now_ns + 20).reason, counter::wakes_acknowledge);
}

TEST(flush_policy, names_one_reason_when_several_hold) {
    auto all = input(2000, 0);
    all.acknowledge_by_ns = 0;
    all.last_write_ns = 0;
    EXPECT_EQ(decide_flush(gathering, all, now_ns).reason, counter::wakes_fill);
    all.queued_bytes = 1;
    EXPECT_EQ(decide_flush(gathering, all, now_ns).reason, counter::wakes_deadline);
    all.queued_bytes = 0;
    EXPECT_EQ(decide_flush(gathering, all, now_ns).reason, counter::wakes_acknowledge);
}

}  // namespace
}  // namespace diskhb::engine
