// SPDX-License-Identifier: BSD-3-Clause
// When our own blocks were encoded, as far back as it is kept.
#include "ring/beat_log.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace diskhb::ring {
namespace {

constexpr std::uint64_t life = 77;

std::uint64_t time_of(std::uint64_t beat) { return 1'000'000 + beat * 10; }

void write(beat_log& log, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t beat = first; beat <= last; ++beat) {
        log.on_encoded(beat, time_of(beat));
    }
}

TEST(beat_log, knows_the_last_beats_exactly) {
    beat_log log;
    log.begin(life);
    write(log, 1, 10'000);
    for (const std::uint64_t beat :
         {std::uint64_t{10'000}, std::uint64_t{9'999}, 10'001 - beat_log::recent_beats}) {
        EXPECT_EQ(log.encoded_ns(life, beat), time_of(beat)) << beat;
    }
}

TEST(beat_log, knows_of_older_beats_a_time_before_them) {
    beat_log log;
    log.begin(life);
    const std::uint64_t last = 300'000;
    write(log, 1, last);
    const std::uint64_t oldest = last - beat_log::sparse_beats * (beat_log::sparse_entries - 1);
    for (std::uint64_t beat = oldest; beat <= last; beat += 97) {
        const auto known = log.encoded_ns(life, beat);
        ASSERT_TRUE(known) << beat;
        EXPECT_LE(*known, time_of(beat));
        EXPECT_GT(*known + beat_log::sparse_beats * 10, time_of(beat));
    }
    EXPECT_FALSE(log.encoded_ns(life, 1));
}

TEST(beat_log, knows_nothing_of_beats_that_never_were_and_of_other_lives) {
    beat_log log;
    EXPECT_FALSE(log.encoded_ns(0, 0));
    EXPECT_FALSE(log.encoded_ns(life, 1));
    log.begin(life);
    EXPECT_FALSE(log.encoded_ns(life, 0));
    write(log, 1, 5000);
    EXPECT_FALSE(log.encoded_ns(life, 0));
    EXPECT_FALSE(log.encoded_ns(life, 5001));
    EXPECT_FALSE(log.encoded_ns(life, 5000 + beat_log::recent_beats));
    EXPECT_FALSE(log.encoded_ns(life, UINT64_MAX));
    EXPECT_FALSE(log.encoded_ns(0, 5000));
    EXPECT_FALSE(log.encoded_ns(life + 1, 5000));
    log.begin(life + 1);
    EXPECT_FALSE(log.encoded_ns(life, 5000));
    EXPECT_FALSE(log.encoded_ns(life + 1, 5000));
}

TEST(beat_log, may_be_asked_while_it_is_written) {
    beat_log log;
    log.begin(life);
    std::thread writer([&] { write(log, 1, 20'000); });
    for (std::uint64_t beat = 1; beat <= 20'000; ++beat) {
        if (const auto known = log.encoded_ns(life, beat)) {
            EXPECT_LE(*known, time_of(beat));
        }
    }
    writer.join();
    EXPECT_EQ(log.encoded_ns(life, 20'000), time_of(20'000));
}

}  // namespace
}  // namespace diskhb::ring
