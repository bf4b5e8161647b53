// SPDX-License-Identifier: BSD-3-Clause
// How old a frame can be, told from durations alone.
#include "ring/age_bound.hpp"

#include <gtest/gtest.h>

namespace diskhb::ring {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t second = 1000 * ms;

// A writer whose clock is ahead of ours by an hour and runs at another rate, and a reader that
// sees its blocks. All times are in ms of real time; our clock shows real time.
class age_bound_test : public testing::Test {
  protected:
    std::uint64_t theirs(double at_ms) const {
        return static_cast<std::uint64_t>(3600e9 + at_ms * 1e6 * rate_);
    }
    static std::uint64_t ours(double at_ms) { return static_cast<std::uint64_t>(at_ms * 1e6); }

    void first_block(double encoded_ms, double unseen_ms, double seen_ms) {
        age_.restart(theirs(encoded_ms), ours(unseen_ms), ours(seen_ms));
    }
    void next_block(double encoded_ms, double unseen_ms, double seen_ms) {
        age_.advance(theirs(encoded_ms), ours(unseen_ms), ours(seen_ms));
    }
    double age_ms(double submitted_ms, double now_ms) const {
        return static_cast<double>(age_.of(theirs(submitted_ms), ours(now_ms))) / 1e6;
    }

    double rate_ = 1.0;
    age_bound age_;
};

TEST_F(age_bound_test, adds_the_wait_at_the_writer_to_the_wait_for_us) {
    first_block(1000, 999.9, 1000.1);
    next_block(1000.3, 1000.2, 1000.4);
    next_block(1010, 1009, 1010.1);
    // Submitted 4 ms before the block; the block was not there at 1009; now it is 1020.
    EXPECT_NEAR(age_ms(1006, 1020), 4 + 11, 0.4);
}

TEST_F(age_bound_test, is_never_less_than_the_true_age) {
    first_block(1000, 999, 1001);
    for (double at = 1010; at < 2000; at += 10) {
        next_block(at, at - 1, at + 1.5);
        EXPECT_GE(age_ms(at - 3, at + 2), 5 - 1e-3) << at;
    }
}

TEST_F(age_bound_test, sees_that_a_write_hung_though_no_clocks_are_compared) {
    first_block(1000, 999, 1001);
    next_block(1100, 1099, 1101);
    // Encoded at 1200, then the device hung for ten seconds.
    next_block(1200, 11199, 11201);
    EXPECT_GT(age_ms(1199, 11201), 9'800);
    EXPECT_LE(age_ms(1199, 11201), 10'200);
    // What comes afterwards in time is fresh again.
    next_block(11205, 11204, 11206);
    EXPECT_LT(age_ms(11204, 11207), 10);
}

TEST_F(age_bound_test, does_not_take_the_first_delay_for_none) {
    // The first block was on its way for 10 s, the next for 9 s: they are 10 s apart for their
    // writer as well as for us.
    first_block(0, 9'999, 10'000);
    next_block(10'001, 18'999, 19'000);
    EXPECT_GE(age_ms(10'000, 19'001), 9'000);
}

TEST_F(age_bound_test, trusts_no_age_before_the_second_block_after_our_own_start) {
    age_.restart(theirs(0), 0, ours(10'000));
    EXPECT_GT(age_ms(0, 10'000), 1e9);
    // Visible since long before we started, for all we know.
    next_block(100, 10'005, 10'010);
    EXPECT_GT(age_ms(100, 10'010), 1e9);
    // Encoded after the write of the one before had ended, so after 10'005.
    next_block(10'012, 10'011, 10'013);
    EXPECT_LT(age_ms(10'011, 10'014), 12);
}

TEST_F(age_bound_test, finds_frames_fresh_when_clocks_run_at_rates_two_percent_apart) {
    for (const double rate : {0.981, 0.99, 1.01, 1.019}) {
        rate_ = rate;
        first_block(1000, 999, 1001);
        next_block(1002, 1001, 1003);
        double worst_ms = 0;
        for (double at = 1100; at < 600'000; at += 100) {
            next_block(at, at - 1, at + 1);
            worst_ms = std::max(worst_ms, age_ms(at - 1, at + 2));
        }
        EXPECT_LT(worst_ms, 10) << rate;
    }
}

TEST_F(age_bound_test, finds_a_frame_from_the_writers_future_infinitely_old) {
    first_block(1000, 999, 1001);
    next_block(1002, 1001, 1003);
    EXPECT_EQ(age_.of(theirs(1003), ours(1004)), UINT64_MAX);
}

TEST_F(age_bound_test, survives_any_clock_on_a_volume) {
    for (const std::uint64_t clock : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX / 2,
                                      UINT64_MAX / 2 + 1, UINT64_MAX - 1, UINT64_MAX}) {
        age_.restart(clock, second, second + ms);
        for (std::uint64_t at = 2; at < 40; ++at) {
            age_.advance(at % 2 == 0 ? clock ^ (UINT64_MAX / 2) : ~clock, at * second,
                         at * second + ms);
            EXPECT_GE(age_.of(0, at * second + ms), second);
        }
    }
}

// A copy: blocks come whenever and in whatever order something copies them. Ours is the same clock
// as above; an echo names a beat of ours by the time at which it was encoded.
class copied_age_test : public age_bound_test {
  protected:
    copied_age_test() { age_ = age_bound(block_source::copy); }
    void echo(double encoded_ms) { age_.on_echo(ours(encoded_ms)); }
};

TEST_F(copied_age_test, trusts_no_age_before_the_first_echo) {
    first_block(1000, 999, 1001);
    for (double at = 1001; at < 1100; ++at) {
        next_block(at, at - 0.1, at + 0.1);
        EXPECT_GT(age_ms(at, at + 0.1), 1e9);
    }
    echo(1050);
    EXPECT_NEAR(age_ms(1098, 1100), 1 + 50, 0.1);
}

TEST_F(copied_age_test, is_never_less_than_the_true_age_whatever_the_lag) {
    for (const double rate : {0.981, 1.0, 1.019}) {
        rate_ = rate;
        age_ = age_bound(block_source::copy);
        const auto lag = [](double at) { return at < 60'000 ? 5'000.0 : 30.0; };
        first_block(0, 0, lag(0));
        // Each block echoes what had come from us by then, with the same lag.
        for (double at = 100; at < 120'000; at += 100) {
            const double seen = at + lag(at);
            next_block(at, seen - 1, seen);
            if (at > 5'000) {
                echo(at - lag(at));
            }
            const double age = age_ms(at - 3, seen + 2);
            EXPECT_GE(age, lag(at) + 5 - 0.1) << at;
            if (at > 66'000) {
                EXPECT_LE(age, 2 * 30 + 6) << at;
            }
        }
    }
}

TEST_F(copied_age_test, does_not_let_a_constant_lag_fade) {
    first_block(0, 0, 1'000);
    for (double at = 100; at < 1'000'000; at += 100) {
        next_block(at, at + 999, at + 1'000);
        echo(at - 1'000);
    }
    EXPECT_GE(age_ms(999'900, 1'000'900), 1'000);
}

TEST_F(copied_age_test, keeps_the_best_echo_of_a_life_less_what_clocks_may_differ) {
    first_block(1000, 999, 1001);
    next_block(1002, 1001, 1003);
    echo(1001);
    // No newer echo for ten seconds: 1 ms of doubt, and 2 % of the time.
    next_block(11'002, 11'000, 11'010);
    EXPECT_NEAR(age_ms(11'002, 11'010), 8 + 1 + 200, 0.5);
    // Another life has echoed nothing yet.
    first_block(12'000, 11'999, 12'001);
    EXPECT_GT(age_ms(12'000, 12'001), 1e9);
}

TEST_F(copied_age_test, takes_no_block_to_be_encoded_after_it_was_seen) {
    first_block(1000, 999, 1001);
    next_block(1002, 1001, 1003);
    echo(1002);
    next_block(500'000'000, 1004, 1005);  // a clock that lies
    EXPECT_EQ(age_.encoded_after_ns(), ours(1005));
    EXPECT_GE(age_ms(500'000'000, 1010), 5);
    next_block(1006, 1006, 1007);  // and one that goes back
    EXPECT_EQ(age_.encoded_after_ns(), ours(1005));
}

TEST_F(age_bound_test, takes_the_lesser_of_both_bounds_on_a_shared_volume) {
    age_.restart(theirs(0), 0, ours(10'000));
    next_block(100, 10'005, 10'010);
    EXPECT_GT(age_ms(100, 10'010), 1e9);
    age_.on_echo(ours(9'990));
    EXPECT_NEAR(age_ms(100, 10'010), 20, 0.1);
    next_block(110, 10'019, 10'020);
    EXPECT_LE(age_ms(110, 10'020), 31);
}

}  // namespace
}  // namespace diskhb::ring
