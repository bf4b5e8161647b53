// SPDX-License-Identifier: BSD-3-Clause
#include "format/geometry.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace diskhb::format {
namespace {

constexpr std::uint64_t mib = 1 << 20;

TEST(geometry, lays_the_parts_out_in_order_without_overlap) {
    for (const std::uint32_t block_bytes : {4096U, 16384U, 65536U}) {
        for (const std::uint16_t slots :
             std::vector<std::uint16_t>{2, 3, 32, slots_most(block_bytes)}) {
            const auto made = make_geometry(block_bytes, slots, 4 * mib, 1024 * mib);
            ASSERT_TRUE(made) << block_bytes << " " << slots;
            EXPECT_EQ(made->table_offset(), block_bytes);
            EXPECT_EQ(made->quorum_offset(), made->table_offset() + made->table_bytes());
            EXPECT_GE(made->rings_offset(), made->quorum_offset() + made->table_bytes());
            EXPECT_EQ(made->rings_offset() % mib, 0U);
            EXPECT_GE(made->scratch_offset(), made->quorum_offset() + made->table_bytes());
            EXPECT_EQ(made->scratch_offset() + block_bytes, made->rings_offset());
            EXPECT_EQ(made->table_offset(1) - made->table_offset(0), block_bytes);
            EXPECT_EQ(made->ring_offset(slots), made->rings_offset() + slots * 4 * mib);
            EXPECT_LE(made->ring_offset(slots), made->superblock_copy_offset());
            EXPECT_EQ(made->superblock_copy_offset() + block_bytes, made->volume_bytes);
        }
    }
}

TEST(geometry, rounds_the_volume_down_to_whole_blocks) {
    const auto made = make_geometry(4096, 2, mib, 64 * mib + 4095);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->volume_bytes, 64 * mib);
}

TEST(geometry, takes_a_volume_of_exactly_the_needed_size_and_none_smaller) {
    const auto roomy = make_geometry(4096, 3, mib, 64 * mib);
    ASSERT_TRUE(roomy);
    const std::uint64_t needed = roomy->needed_bytes();
    EXPECT_EQ(needed, 4 * mib + 4096);
    EXPECT_TRUE(make_geometry(4096, 3, mib, needed));
    EXPECT_EQ(make_geometry(4096, 3, mib, needed - 1).error(), errc::malformed);
    EXPECT_EQ(make_geometry(4096, 3, mib, 0).error(), errc::malformed);
}

TEST(geometry, refuses_measures_out_of_range) {
    const std::uint64_t volume = 1ULL << 40;
    ASSERT_TRUE(make_geometry(4096, 2, mib, volume));
    for (const std::uint32_t block_bytes : {0U, 1U, 512U, 2048U, 4095U, 4097U, 6144U, 131072U}) {
        EXPECT_FALSE(make_geometry(block_bytes, 2, mib, volume)) << block_bytes;
    }
    for (const std::uint16_t slots : std::vector<std::uint16_t>{0, 1, 129, 65535}) {
        EXPECT_FALSE(make_geometry(4096, slots, mib, volume)) << slots;
        EXPECT_FALSE(make_geometry(8192, slots, mib, volume)) << slots;
    }
    for (const std::uint64_t ring_bytes :
         {std::uint64_t{0}, mib - 1, mib + 4096, ring_bytes_min / 2, ring_bytes_max * 2,
          std::uint64_t{1} << 63}) {
        EXPECT_FALSE(make_geometry(4096, 2, ring_bytes, volume)) << ring_bytes;
    }
    EXPECT_FALSE(make_geometry(4096, 2, mib, ~std::uint64_t{0}));
    EXPECT_FALSE(make_geometry(4096, 2, mib, std::uint64_t{1} << 63));
}

TEST(geometry, leaves_room_in_a_ring_for_three_of_the_longest_batches) {
    for (const std::uint32_t block_bytes : {4096U, 8192U, 16384U}) {
        EXPECT_TRUE(make_geometry(block_bytes, 2, ring_bytes_min, 64 * mib)) << block_bytes;
    }
    for (const std::uint32_t block_bytes : {32768U, 65536U}) {
        EXPECT_FALSE(make_geometry(block_bytes, 2, ring_bytes_min, 64 * mib)) << block_bytes;
        EXPECT_TRUE(make_geometry(block_bytes, 2, 2 * ring_bytes_min, 64 * mib)) << block_bytes;
    }
}

TEST(geometry, leaves_room_for_frames_beside_an_acknowledgement_a_slot) {
    EXPECT_TRUE(make_geometry(4096, 96, mib, 1024 * mib));
    EXPECT_FALSE(make_geometry(4096, 97, mib, 1024 * mib));
    EXPECT_TRUE(make_geometry(8192, slots_max, mib, 1024 * mib));
}

TEST(geometry, takes_the_extremes) {
    EXPECT_TRUE(make_geometry(block_bytes_max, slots_max, ring_bytes_max, 1ULL << 38));
    EXPECT_TRUE(make_geometry(block_bytes_min, slots_min, ring_bytes_min, 2 * mib));
}

TEST(geometry, folds_positions_into_the_ring_and_across_the_wrap) {
    const auto made = make_geometry(4096, 4, mib, 64 * mib);
    ASSERT_TRUE(made);
    const std::uint64_t ring = made->ring_offset(2);
    EXPECT_EQ(made->ring_offset(2, 0), ring);
    EXPECT_EQ(made->ring_offset(2, mib - 4096), ring + mib - 4096);
    EXPECT_EQ(made->ring_offset(2, mib), ring);
    EXPECT_EQ(made->ring_offset(2, 7 * mib + 8192), ring + 8192);
    EXPECT_EQ(made->ring_offset(2, (1ULL << 32) - 4096), ring + mib - 4096);
    EXPECT_EQ(made->ring_offset(2, 1ULL << 32), ring);
    EXPECT_EQ(made->ring_offset(2, ~std::uint64_t{4095}), ring + mib - 4096);
}

}  // namespace
}  // namespace diskhb::format
