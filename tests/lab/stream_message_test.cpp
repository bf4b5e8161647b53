// SPDX-License-Identifier: BSD-3-Clause
// The message that the verdicts rest on: damage must show.
#include "stream_message.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace lab {
namespace {

message_head data(std::uint64_t sequence) {
    message_head head;
    head.node_id = 7;
    head.sequence = sequence;
    return head;
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

}  // namespace
}  // namespace lab
