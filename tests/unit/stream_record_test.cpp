// SPDX-License-Identifier: BSD-3-Clause
// The book that the verdicts rest on: it must see what went wrong.
#include "plugin/corosync/stream_record.hpp"

#include <gtest/gtest.h>

namespace diskhb::corosync {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(stream_record, finds_nothing_wrong_with_all_messages_in_order) {
    sender_record record;
    for (std::uint64_t sequence = 0; sequence < 1000; ++sequence) {
        record.accept(sequence, static_cast<std::int64_t>(sequence + 1) * ms);
    }
    record.accept_last(1000, 1001 * ms);
    EXPECT_EQ(record.received(), 1000U);
    EXPECT_EQ(record.lost(), 0U);
    EXPECT_EQ(record.duplicated(), 0U);
    EXPECT_EQ(record.reordered(), 0U);
    EXPECT_EQ(record.longest_gap_ns(), ms);
}

TEST(stream_record, counts_each_lost_message_also_at_the_end) {
    sender_record record;
    record.accept(0, ms);
    record.accept(3, ms);
    EXPECT_EQ(record.lost(), 2U);
    record.accept_last(10, ms);
    EXPECT_EQ(record.lost(), 8U);
}

TEST(stream_record, tells_a_doubled_message_from_one_out_of_order) {
    sender_record record;
    for (const std::uint64_t sequence : {0U, 1U, 1U, 3U, 2U, 2U}) {
        record.accept(sequence, ms);
    }
    EXPECT_EQ(record.received(), 4U);
    EXPECT_EQ(record.duplicated(), 2U);
    EXPECT_EQ(record.reordered(), 1U);
    EXPECT_EQ(record.lost(), 0U);
}

TEST(stream_record, finds_the_longest_gap_and_one_that_lasts_to_the_end) {
    sender_record record;
    record.accept(0, 10 * ms);
    record.accept(1, 50 * ms);
    record.accept(2, 60 * ms);
    EXPECT_EQ(record.longest_gap_ns(), 40 * ms);
    EXPECT_EQ(record.longest_gap_at_ns(), 10 * ms);
    record.close(160 * ms);
    EXPECT_EQ(record.longest_gap_ns(), 100 * ms);
}

TEST(stream_record, does_not_grow_for_a_sequence_that_nobody_sends) {
    sender_record record(100);
    record.accept(100, ms);
    record.accept_last(101, ms);
    EXPECT_EQ(record.corrupt(), 2U);
    EXPECT_EQ(record.received(), 0U);
    record.accept(99, ms);
    record.accept_last(50, ms);
    EXPECT_EQ(record.corrupt(), 3U);
    EXPECT_FALSE(record.sent().has_value());
}

TEST(latency_histogram, names_percentiles_within_three_percent) {
    latency_histogram latency;
    for (std::int64_t us = 1; us <= 100'000; ++us) {
        latency.add(us * 1000);
    }
    EXPECT_NEAR(static_cast<double>(latency.percentile_us(0.5)), 50'000, 1'600);
    EXPECT_NEAR(static_cast<double>(latency.percentile_us(0.99)), 99'000, 3'200);
    EXPECT_EQ(latency.percentile_us(1.0), 100'000);
    EXPECT_EQ(latency.max_us(), 100'000);
    latency.clear();
    EXPECT_EQ(latency.percentile_us(0.5), 0);
}

}  // namespace
}  // namespace diskhb::corosync
