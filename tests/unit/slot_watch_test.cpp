// SPDX-License-Identifier: BSD-3-Clause
// Whether our slot is free to join, and whether it stays ours.
#include "engine/slot_watch.hpp"

#include <gtest/gtest.h>

namespace diskhb::engine {
namespace {

using format::block_stamp;
constexpr std::uint64_t watch_ns = 1000;
constexpr std::uint64_t ours = 77;

TEST(slot_watch, joins_at_once_where_nobody_is) {
    slot_watch watch(watch_ns);
    EXPECT_EQ(watch.before_join({}, true, 1), slot_state::free);
}

TEST(slot_watch, waits_while_a_block_may_still_be_alive) {
    slot_watch watch(watch_ns);
    EXPECT_EQ(watch.before_join({5, 9}, false, 1), slot_state::watching);
    EXPECT_EQ(watch.before_join({5, 9}, false, 1000), slot_state::watching);
    EXPECT_EQ(watch.before_join({5, 9}, false, 1001), slot_state::free);
}

TEST(slot_watch, is_taken_when_the_block_changes_and_free_when_that_ends) {
    slot_watch watch(watch_ns);
    watch.before_join({5, 9}, false, 1);
    EXPECT_EQ(watch.before_join({5, 10}, false, 500), slot_state::taken);
    EXPECT_EQ(watch.before_join({5, 10}, false, 1400), slot_state::taken);
    EXPECT_EQ(watch.before_join({5, 10}, false, 1500), slot_state::free);
}

TEST(slot_watch, joins_when_the_other_says_good_bye) {
    slot_watch watch(watch_ns);
    watch.before_join({5, 9}, false, 1);
    EXPECT_EQ(watch.before_join({5, 10}, false, 500), slot_state::taken);
    EXPECT_EQ(watch.before_join({5, 11}, true, 510), slot_state::taken);
    EXPECT_EQ(watch.before_join({5, 11}, true, 520), slot_state::free);
}

TEST(slot_watch, keeps_the_slot_while_only_our_own_block_changes) {
    slot_watch watch(watch_ns);
    watch.before_join({5, 9}, true, 1);
    EXPECT_EQ(watch.after_join({5, 9}, ours), slot_state::free);  // our first write is on its way
    for (std::uint64_t beat = 1; beat < 100; ++beat) {
        EXPECT_EQ(watch.after_join({ours, beat}, ours), slot_state::free);
    }
}

TEST(slot_watch, is_stolen_when_another_incarnation_advances) {
    slot_watch watch(watch_ns);
    watch.before_join({}, true, 1);
    watch.after_join({ours, 1}, ours);
    EXPECT_EQ(watch.after_join({6, 1}, ours), slot_state::free);
    EXPECT_EQ(watch.after_join({ours, 2}, ours), slot_state::free);
    EXPECT_EQ(watch.after_join({6, 2}, ours), slot_state::taken);
}

TEST(slot_watch, is_not_stolen_by_an_old_copy_put_back) {
    slot_watch watch(watch_ns);
    watch.before_join({5, 9}, true, 1);
    watch.after_join({ours, 1}, ours);
    EXPECT_EQ(watch.after_join({5, 7}, ours), slot_state::free);
    EXPECT_EQ(watch.after_join({5, 7}, ours), slot_state::free);
    EXPECT_EQ(watch.after_join({5, 4}, ours), slot_state::free);
    EXPECT_EQ(watch.after_join({}, ours), slot_state::free);
}

TEST(slot_watch, starts_anew_after_a_reset) {
    slot_watch watch(watch_ns);
    watch.before_join({5, 9}, false, 1);
    watch.before_join({5, 10}, false, 2);
    watch.reset();
    EXPECT_EQ(watch.state(), slot_state::watching);
    EXPECT_EQ(watch.before_join({5, 11}, false, 9000), slot_state::watching);
    EXPECT_EQ(watch.before_join({5, 11}, false, 10'000), slot_state::free);
}

}  // namespace
}  // namespace diskhb::engine
