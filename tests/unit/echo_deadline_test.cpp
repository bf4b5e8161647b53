// SPDX-License-Identifier: BSD-3-Clause
// How long a peer takes to read what was written for it, and when that is too long.
#include "engine/echo_deadline.hpp"

#include <gtest/gtest.h>

namespace diskhb::engine {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t begin = 1000 * ms;

class echo_deadline_test : public testing::Test {
  protected:
    // Times in ms after the begin.
    void write(std::uint64_t end_sequence, std::uint64_t at_ms) {
        watch_.on_written(end_sequence, begin + at_ms * ms);
    }
    void echo(std::uint64_t read_sequence, std::uint64_t at_ms) {
        watch_.on_echo(read_sequence, 0, begin + at_ms * ms);
    }
    bool is_late(std::uint64_t at_ms) const { return watch_.is_late(begin + at_ms * ms); }
    std::uint64_t breaches(std::uint64_t at_ms) const {
        return watch_.breaches(begin + at_ms * ms);
    }
    std::uint64_t bursts(std::uint64_t at_ms) const { return watch_.bursts(begin + at_ms * ms); }
    double lag_ms(double share) const {
        return static_cast<double>(watch_.lag().percentile_ns(share)) / 1e6;
    }

    echo_deadline watch_{50 * ms};
};

TEST_F(echo_deadline_test, measures_from_the_write_to_the_block_that_says_read) {
    for (std::uint64_t number = 1; number <= 100; ++number) {
        write(number, number * 100);
        echo(number - 1, number * 100 + 5);  // not yet
        echo(number, number * 100 + (number <= 90 ? 10 : 40));
    }
    EXPECT_NEAR(lag_ms(0.5), 10, 1);
    EXPECT_NEAR(lag_ms(0.99), 40, 4);
    EXPECT_EQ(watch_.lag_most_ns(), 40 * ms);
    EXPECT_EQ(breaches(100'000), 0U);
    EXPECT_FALSE(is_late(100'000));
}

TEST_F(echo_deadline_test, finds_a_breach_before_any_answer_comes) {
    write(1, 0);
    write(2, 30);
    EXPECT_FALSE(is_late(50));
    EXPECT_TRUE(is_late(51));
    EXPECT_EQ(breaches(51), 1U);
    EXPECT_EQ(breaches(90), 2U);
    EXPECT_EQ(bursts(90), 1U);
    watch_.step(begin + 90 * ms);
    EXPECT_EQ(breaches(90), 2U);  // each once
    EXPECT_EQ(bursts(90), 1U);
}

TEST_F(echo_deadline_test, is_late_until_an_answer_comes_in_time_again) {
    write(1, 0);
    echo(1, 60);
    EXPECT_TRUE(is_late(60));
    EXPECT_EQ(breaches(60), 1U);
    write(2, 100);
    EXPECT_TRUE(is_late(110));
    echo(2, 160);
    EXPECT_TRUE(is_late(160));
    EXPECT_EQ(breaches(160), 2U);
    EXPECT_EQ(bursts(160), 1U);  // the same burst
    write(3, 200);
    echo(3, 220);
    EXPECT_FALSE(is_late(220));
    write(4, 300);
    echo(4, 400);
    EXPECT_EQ(bursts(400), 2U);
    EXPECT_EQ(breaches(400), 3U);
}

TEST_F(echo_deadline_test, stays_late_while_a_part_is_outstanding) {
    write(1, 0);
    write(2, 5);
    watch_.step(begin + 60 * ms);
    EXPECT_EQ(breaches(60), 2U);
    echo(1, 61);
    EXPECT_TRUE(is_late(61));
    EXPECT_EQ(breaches(61), 2U);
}

TEST_F(echo_deadline_test, is_in_time_again_by_beats_alone_when_nothing_is_sent) {
    write(1, 0);
    echo(1, 60);
    watch_.on_echo(1, begin + 20 * ms, begin + 100 * ms);
    EXPECT_TRUE(is_late(100));
    watch_.on_echo(1, begin + 100 * ms, begin + 140 * ms);
    EXPECT_FALSE(is_late(140));
}

TEST_F(echo_deadline_test, asks_nothing_of_a_peer_that_is_away) {
    write(1, 0);
    watch_.step(begin + 60 * ms);
    watch_.restart();
    EXPECT_FALSE(is_late(10'000));
    EXPECT_EQ(breaches(10'000), 1U);
}

TEST_F(echo_deadline_test, follows_sequences_across_their_wrap) {
    write(UINT64_MAX, 0);
    write(3, 1);
    echo(UINT64_MAX, 10);
    echo(3, 20);
    EXPECT_EQ(watch_.lag_most_ns(), 19 * ms);
    EXPECT_FALSE(is_late(1000));
}

TEST_F(echo_deadline_test, keeps_to_its_memory_however_much_is_outstanding) {
    for (std::uint64_t number = 1; number <= 5000; ++number) {
        write(number, number / 1000);
    }
    EXPECT_EQ(breaches(100), 1024U);
    echo(5000, 100);
    EXPECT_EQ(breaches(10'000), 1024U);
    write(5001, 200);
    echo(5001, 201);
    EXPECT_FALSE(is_late(10'000));
}

TEST(echo_deadline, without_a_deadline_only_measures) {
    echo_deadline watch(0);
    watch.on_written(1, begin);
    EXPECT_FALSE(watch.is_late(begin + 10'000 * ms));
    watch.on_echo(1, 0, begin + 20'000 * ms);
    EXPECT_FALSE(watch.is_late(begin + 20'000 * ms));
    EXPECT_EQ(watch.breaches(begin + 20'000 * ms), 0U);
    EXPECT_EQ(watch.lag_most_ns(), 20'000 * ms);
}

}  // namespace
}  // namespace diskhb::engine
