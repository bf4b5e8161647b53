// SPDX-License-Identifier: BSD-3-Clause
#include "channel/payload_store.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "io/sim_random.hpp"

namespace diskhb::channels {
namespace {

std::vector<std::byte> message_of(std::size_t size, std::uint64_t number) {
    io::sim_random random(number);
    std::vector<std::byte> made(size);
    for (auto& each : made) {
        each = static_cast<std::byte>(random.next());
    }
    return made;
}

bool holds(const payload_store::kept& kept, const std::vector<std::byte>& message) {
    return kept.size == message.size() && kept.crc == crc_of(message) &&
           std::equal(message.begin(), message.end(), kept.bytes.get());
}

TEST(channel_payload_store, keeps_what_is_needed_whatever_goes_and_comes) {
    payload_store store;
    io::sim_random random(1);
    std::deque<std::pair<payload_store::kept, std::vector<std::byte>>> kept;
    for (std::uint64_t number = 0; number < 600; ++number) {
        const auto size =
            random.chance(0.1) ? random.below(max_message_bytes + 1) : random.below(30'000);
        auto message = message_of(size, number);
        auto copy = store.copy(message);
        kept.emplace_back(std::move(copy), std::move(message));
        for (auto gone = random.below(4); gone > 0 && !kept.empty(); --gone) {
            ASSERT_TRUE(holds(kept.front().first, kept.front().second)) << number;
            kept.pop_front();
        }
    }
    for (const auto& [copy, message] : kept) {
        EXPECT_TRUE(holds(copy, message));
    }
}

TEST(channel_payload_store, uses_the_same_memory_again) {
    payload_store store;
    const auto message = message_of(300'000, 1);
    std::deque<payload_store::kept> kept;
    std::set<const std::byte*> places;
    for (int i = 0; i < 1000; ++i) {
        kept.push_back(store.copy(message));
        places.insert(kept.back().bytes.get());
        if (kept.size() == 10) {
            kept.pop_front();
        }
    }
    // Three fit in a chunk; ten need four or five chunks.
    EXPECT_LE(places.size(), 15U);
    kept.clear();
    const auto first = store.copy(message).bytes.get();
    EXPECT_EQ(store.copy(message).bytes.get(), first);
}

TEST(channel_payload_store, takes_empty_messages_and_the_largest) {
    payload_store store;
    const auto large = message_of(max_message_bytes, 2);
    const auto first = store.copy({});
    const auto second = store.copy(large);
    const auto third = store.copy({});
    EXPECT_TRUE(holds(first, {}));
    EXPECT_TRUE(holds(second, large));
    EXPECT_TRUE(holds(third, {}));
}

}  // namespace
}  // namespace diskhb::channels
