// SPDX-License-Identifier: BSD-3-Clause
// Where batches go in a ring, and what of it stays valid.
#include "ring/send_log.hpp"

#include <gtest/gtest.h>

#include "format/batch.hpp"
#include "format/table_block.hpp"
#include "io/sim_random.hpp"
#include "ring/sequence.hpp"
#include "volume_file.hpp"

namespace diskhb::ring {
namespace {

constexpr std::uint32_t block = 4096;
constexpr std::uint64_t ring_bytes = 256 * 1024;
const format::geometry measures = test::small_superblock("test", ring_bytes).measures;

TEST(send_log, puts_batches_behind_one_another) {
    send_log log(measures, 4 * block);
    EXPECT_EQ(log.tail(), log.head());
    const auto first = log.place(2 * block);
    EXPECT_EQ(first.position, 0U);
    EXPECT_EQ(first.padding_bytes, 0U);
    log.commit(first, 2 * block, 0, 5);
    EXPECT_EQ(log.head(), 2 * block);
    EXPECT_EQ(log.head_sequence(), 5U);
    EXPECT_EQ(log.tail(), 0U);
    EXPECT_EQ(log.tail_sequence(), 0U);
    EXPECT_EQ(log.place(block).position, 2 * block);
}

TEST(send_log, never_crosses_the_end_of_the_ring) {
    send_log log(measures, 3 * block);
    std::uint64_t sequence = 0;
    for (int round = 0; round < 21; ++round) {
        log.commit(log.place(3 * block), 3 * block, sequence, 1);
        ++sequence;
    }
    ASSERT_EQ(log.head(), 63 * block);
    const auto last = log.place(3 * block);
    EXPECT_EQ(last.padding_position, 63 * block);
    EXPECT_EQ(last.padding_bytes, block);
    EXPECT_EQ(last.position, ring_bytes);
    log.commit(last, 3 * block, sequence, 1);
    EXPECT_EQ(log.head(), ring_bytes + 3 * block);
}

TEST(send_log, leaves_a_gap_for_a_write_that_failed) {
    send_log log(measures, 3 * block);
    log.commit(log.place(block), block, 0, 2);
    log.commit(log.place(block), block, 7, 2);
    EXPECT_EQ(log.head_sequence(), 9U);
}

TEST(send_log, forgets_the_ring_but_not_the_numbers) {
    send_log log(measures, 3 * block);
    log.commit(log.place(block), block, 0, 2);
    log.forget(5);
    EXPECT_EQ(log.tail(), block);
    EXPECT_EQ(log.head(), block);
    EXPECT_EQ(log.tail_sequence(), 5U);
    EXPECT_EQ(log.head_sequence(), 5U);
}

// For random batches over many laps, begun anywhere: what the next write touches, padding included,
// is never part of what is announced.
TEST(send_log, never_lets_the_next_write_touch_what_is_announced) {
    io::sim_random random(7);
    for (const std::uint64_t start : {std::uint64_t{0}, UINT64_MAX - 3 * ring_bytes + 1}) {
        constexpr std::uint32_t longest_blocks = 21;
        send_log log(measures, longest_blocks * block, {start, UINT64_MAX - 1000});
        std::uint64_t sequence = UINT64_MAX - 1000;
        std::uint64_t most_kept = 0;
        for (int round = 0; round < 5000; ++round) {
            const auto length = static_cast<std::uint32_t>(
                random.between(1, random.chance(0.2) ? longest_blocks : 3) * block);
            const auto place = log.place(length);
            ASSERT_EQ(place.padding_position, log.head());
            const std::uint64_t touched = place.position + length - log.tail();
            ASSERT_LE(touched, ring_bytes) << round;
            ASSERT_LE((place.position & (ring_bytes - 1)) + length, ring_bytes) << round;
            log.commit(place, length, sequence, 3);
            sequence += 3;
            ASSERT_EQ(log.head_sequence(), sequence);
            ASSERT_FALSE(before(log.head_sequence(), log.tail_sequence()));
            most_kept = std::max(most_kept, log.head() - log.tail());
        }
        EXPECT_GT(most_kept, ring_bytes / 4);
    }
}

// The flusher puts the longest frame behind all that may be inline.
TEST(send_log, has_room_for_the_longest_frame_on_every_volume) {
    for (std::uint32_t bytes = format::block_bytes_min; bytes <= format::block_bytes_max;
         bytes *= 2) {
        for (std::uint64_t ring = format::ring_bytes_min; ring <= (4 << 20); ring *= 2) {
            const auto made = format::make_geometry(bytes, 2, ring, 1ULL << 30);
            if (made) {
                EXPECT_GE(longest_batch_bytes(*made),
                          format::batch_length_bytes(
                              *made, format::inline_capacity_bytes(*made) +
                                         format::frame_bytes(format::max_payload_bytes)))
                    << bytes << " " << ring;
            }
        }
    }
}

}  // namespace
}  // namespace diskhb::ring
