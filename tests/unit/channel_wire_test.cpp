// SPDX-License-Identifier: BSD-3-Clause
#include "channel/wire.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "channel/frame_buffer.hpp"
#include "io/sim_random.hpp"

namespace diskhb::channels {
namespace {

hello sample() {
    hello said;
    said.cluster_name = "prod";
    said.from = {1, "orders"};
    said.to = {2, "stock"};
    said.which = path::volume;
    said.life = 0x1122334455667788;
    said.known_life = 7;
    said.wanted = 42;
    said.window_bytes = 4 << 20;
    said.heartbeat_us = 100'000;
    return said;
}

std::vector<std::byte> frame_of(frame_kind kind, std::uint64_t sequence,
                                const std::vector<std::byte>& payload) {
    frame_header header;
    header.kind = kind;
    header.sequence = sequence;
    header.length_bytes = static_cast<std::uint32_t>(payload.size());
    header.payload_crc = payload.empty() && kind != frame_kind::message ? 0 : crc_of(payload);
    const auto head = encode_header(header);
    std::vector<std::byte> bytes(head.size() + payload.size());
    std::copy(payload.begin(), payload.end(), std::copy(head.begin(), head.end(), bytes.begin()));
    return bytes;
}

TEST(channel_wire, reads_the_hello_that_it_wrote) {
    const auto bytes = encode_hello(sample());
    EXPECT_EQ(hello_length(std::span(bytes).first(hello_prefix_bytes)).value(), bytes.size());
    EXPECT_EQ(decode_hello(bytes).value(), sample());
}

TEST(channel_wire, refuses_a_hello_with_any_bit_changed) {
    const auto good = encode_hello(sample());
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        auto bytes = good;
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        ASSERT_FALSE(decode_hello(bytes).has_value()) << bit;
    }
}

TEST(channel_wire, refuses_a_hello_that_is_cut_short_or_goes_on) {
    auto bytes = encode_hello(sample());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        ASSERT_FALSE(decode_hello(std::span(bytes).first(size)).has_value()) << size;
    }
    bytes.push_back(std::byte{0});
    EXPECT_EQ(decode_hello(bytes).error(), errc::truncated);
}

TEST(channel_wire, refuses_a_hello_that_contradicts_itself) {
    const auto refused = [](auto change) {
        auto said = sample();
        change(said);
        return decode_hello(encode_hello(said)).error() == errc::malformed;
    };
    EXPECT_TRUE(refused([](hello& said) { said.life = 0; }));
    EXPECT_TRUE(refused([](hello& said) { said.known_life = 0; }));  // and wants message 42 of it
    EXPECT_TRUE(refused([](hello& said) { said.window_bytes = 0; }));
    EXPECT_TRUE(refused([](hello& said) { said.heartbeat_us = 0; }));
    EXPECT_TRUE(refused([](hello& said) { said.heartbeat_us = heartbeat_us_max + 1; }));
    EXPECT_TRUE(refused([](hello& said) { said.from.node_id = 0; }));
    EXPECT_TRUE(refused([](hello& said) { said.cluster_name = "a\nb"; }));
    EXPECT_TRUE(refused([](hello& said) { said.which = static_cast<path>(2); }));
    EXPECT_FALSE(refused([](hello& said) { said.wanted = 0; }));
}

TEST(channel_wire, refuses_a_header_with_any_bit_changed) {
    const auto good = frame_of(frame_kind::message, 5, std::vector<std::byte>(10));
    for (std::size_t bit = 0; bit < 8 * frame_header_bytes; ++bit) {
        auto bytes = good;
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        ASSERT_FALSE(decode_header(bytes).has_value()) << bit;
    }
}

TEST(channel_wire, refuses_a_header_that_is_intact_and_makes_no_sense) {
    frame_header header;
    header.kind = frame_kind::message;
    header.length_bytes = max_message_bytes + 1;
    EXPECT_EQ(decode_header(encode_header(header)).error(), errc::malformed);
    header = {};
    header.kind = static_cast<frame_kind>(0);
    EXPECT_EQ(decode_header(encode_header(header)).error(), errc::malformed);
    header = {};
    header.length_bytes = 1;  // a beat with a payload
    EXPECT_EQ(decode_header(encode_header(header)).error(), errc::malformed);
    header = {};
    header.sequence = 1;
    EXPECT_EQ(decode_header(encode_header(header)).error(), errc::malformed);
}

// Feeds the bytes in pieces of random sizes; the payloads that came out.
std::vector<std::vector<std::byte>> feed(frame_buffer& buffer, std::span<const std::byte> bytes,
                                         std::uint64_t seed) {
    io::sim_random random(seed);
    std::vector<std::vector<std::byte>> found;
    while (!bytes.empty()) {
        const auto room = buffer.room();
        EXPECT_FALSE(room.empty());
        const auto most = std::min(room.size(), bytes.size());
        const auto size =
            std::min<std::size_t>(most, 1 + random.below(random.chance(0.5) ? 50 : 200'000));
        std::copy_n(bytes.begin(), size, room.begin());
        buffer.filled(size);
        bytes = bytes.subspan(size);
        while (true) {
            const auto next = buffer.next();
            EXPECT_TRUE(next.has_value());
            if (!next || !*next) {
                break;
            }
            found.emplace_back((*next)->payload.begin(), (*next)->payload.end());
        }
    }
    return found;
}

TEST(channel_frame_buffer, cuts_a_stream_into_frames_wherever_it_is_broken) {
    std::vector<std::byte> stream;
    std::vector<std::vector<std::byte>> sent;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{70'000},
                                   max_message_bytes, std::size_t{3}, max_message_bytes}) {
        sent.emplace_back(size, static_cast<std::byte>(sent.size() + 1));
        const auto bytes = frame_of(frame_kind::message, sent.size(), sent.back());
        stream.insert(stream.end(), bytes.begin(), bytes.end());
    }
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        frame_buffer buffer;
        EXPECT_EQ(feed(buffer, stream, seed), sent) << seed;
    }
}

TEST(channel_frame_buffer, knows_that_a_message_has_begun) {
    const auto bytes = frame_of(frame_kind::message, 0, std::vector<std::byte>(100));
    frame_buffer buffer;
    for (const std::byte& each : bytes) {
        EXPECT_FALSE(buffer.next().value());
        buffer.room().front() = each;
        buffer.filled(1);
        const auto there = static_cast<std::size_t>(&each - bytes.data()) + 1;
        EXPECT_EQ(buffer.has_part_of_message(), there >= frame_header_bytes) << there;
    }
    EXPECT_TRUE(buffer.next().value());
    EXPECT_FALSE(buffer.has_part_of_message());
}

TEST(channel_frame_buffer, ends_at_a_payload_that_is_damaged) {
    auto bytes = frame_of(frame_kind::message, 0, std::vector<std::byte>(100));
    bytes.back() ^= std::byte{1};
    frame_buffer buffer;
    std::copy(bytes.begin(), bytes.end(), buffer.room().begin());
    buffer.filled(bytes.size());
    EXPECT_EQ(buffer.next().error(), errc::torn);
}

TEST(channel_frame_buffer, refuses_a_length_before_the_payload_comes) {
    frame_header header;
    header.kind = frame_kind::message;
    header.length_bytes = 0xffffffff;
    const auto head = encode_header(header);
    frame_buffer buffer;
    std::copy(head.begin(), head.end(), buffer.room().begin());
    buffer.filled(head.size());
    EXPECT_EQ(buffer.next().error(), errc::malformed);
}

}  // namespace
}  // namespace diskhb::channels
