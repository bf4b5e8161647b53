// SPDX-License-Identifier: BSD-3-Clause
// The book that the verdicts rest on: it must see what went wrong.
#include "stream_record.hpp"

#include <gtest/gtest.h>

namespace lab {
namespace {

message_head data(std::uint64_t sequence) {
    message_head head;
    head.node_id = 7;
    head.sequence = sequence;
    return head;
}

message_head last(std::uint64_t count) {
    message_head head = data(count);
    head.kind = message_kind::last;
    return head;
}

constexpr std::int64_t ms = 1'000'000;

TEST(stream_record, finds_nothing_wrong_with_all_messages_in_order) {
    sender_record record;
    for (std::uint64_t sequence = 0; sequence < 1000; ++sequence) {
        record.accept(data(sequence), static_cast<std::int64_t>(sequence + 1) * ms);
    }
    record.accept(last(1000), 1001 * ms);
    EXPECT_EQ(record.received(), 1000U);
    EXPECT_EQ(record.lost(), 0U);
    EXPECT_EQ(record.duplicated(), 0U);
    EXPECT_EQ(record.reordered(), 0U);
    EXPECT_EQ(record.longest_gap_ns(), ms);
}

TEST(stream_record, counts_each_lost_message_also_at_the_end) {
    sender_record record;
    record.accept(data(0), ms);
    record.accept(data(3), ms);
    EXPECT_EQ(record.lost(), 2U);
    record.accept(last(10), ms);
    EXPECT_EQ(record.lost(), 8U);
}

TEST(stream_record, tells_a_doubled_message_from_one_out_of_order) {
    sender_record record;
    for (const std::uint64_t sequence : {0U, 1U, 1U, 3U, 2U, 2U}) {
        record.accept(data(sequence), ms);
    }
    EXPECT_EQ(record.received(), 4U);
    EXPECT_EQ(record.duplicated(), 2U);
    EXPECT_EQ(record.reordered(), 1U);
    EXPECT_EQ(record.lost(), 0U);
}

TEST(stream_record, finds_the_longest_gap_and_one_that_lasts_to_the_end) {
    sender_record record;
    record.accept(data(0), 10 * ms);
    record.accept(data(1), 50 * ms);
    record.accept(data(2), 60 * ms);
    EXPECT_EQ(record.longest_gap_ns(), 40 * ms);
    EXPECT_EQ(record.longest_gap_at_ns(), 10 * ms);
    record.close(160 * ms);
    EXPECT_EQ(record.longest_gap_ns(), 100 * ms);
}

TEST(stream_message, is_refused_after_any_single_bit_flip_and_from_another_node) {
    std::vector<unsigned char> message(256);
    encode(data(41), message);
    ASSERT_TRUE(decode(message, 7).has_value());
    EXPECT_EQ(decode(message, 7)->sequence, 41U);
    EXPECT_FALSE(decode(message, 8).has_value());
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
        const auto mask = static_cast<unsigned char>(1U << (bit % 8));
        message[bit / 8] ^= mask;
        EXPECT_FALSE(decode(message, 7).has_value()) << "bit " << bit;
        message[bit / 8] ^= mask;
    }
    EXPECT_FALSE(decode(std::span(message).first(31), 7).has_value());
}

TEST(histogram, names_percentiles_within_three_percent) {
    histogram latency;
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
}  // namespace lab
