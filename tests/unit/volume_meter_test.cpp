// SPDX-License-Identifier: BSD-3-Clause
#include "tools/volume_meter.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "volume_file.hpp"

namespace diskhb::tools {
namespace {

using namespace std::chrono_literals;

TEST(volume_meter, finds_the_shares_of_known_times) {
    std::vector<std::uint64_t> times_ns(1001);
    std::iota(times_ns.rbegin(), times_ns.rend(), 0);
    for (auto& each : times_ns) {
        each *= 1000;
    }
    const auto found = summarise_times(times_ns);
    EXPECT_EQ(found.count, 1001U);
    EXPECT_EQ(found.p50_us, 500);
    EXPECT_EQ(found.p99_us, 990);
    EXPECT_EQ(found.p999_us, 999);
    EXPECT_EQ(found.max_us, 1000);
    EXPECT_EQ(summarise_times({}).count, 0U);
}

TEST(volume_meter, writes_to_no_block_but_the_scratch_block) {
    const test::volume_file file;
    const auto& measures = file.content().measures;
    const auto before = file.read(0, measures.volume_bytes);
    const auto found = measure_volume({file.path(), 50ms, false, {}});
    EXPECT_GT(found.read.count, 0U);
    ASSERT_TRUE(found.write);
    EXPECT_EQ(found.write->count, found.read.count);
    auto after = file.read(0, measures.volume_bytes);
    const auto scratch = static_cast<std::ptrdiff_t>(measures.scratch_offset());
    const auto block = static_cast<std::ptrdiff_t>(measures.block_bytes);
    EXPECT_FALSE(std::equal(after.begin() + scratch, after.begin() + scratch + block,
                            before.begin() + scratch));
    std::copy_n(before.begin() + scratch, block, after.begin() + scratch);
    EXPECT_EQ(after, before);
}

TEST(volume_meter, writes_nothing_when_it_is_to_read_only) {
    const test::volume_file file;
    const auto before = file.read(0, file.content().measures.volume_bytes);
    const auto found = measure_volume({file.path(), 20ms, true, {}});
    EXPECT_GT(found.read.count, 0U);
    EXPECT_FALSE(found.write);
    EXPECT_EQ(file.read(0, file.content().measures.volume_bytes), before);
}

TEST(volume_meter, stops_writing_when_the_volume_is_formatted_anew) {
    test::volume_file file;
    const auto other = test::small_superblock("another");
    bool changed = false;
    std::vector<std::byte> scratch;
    const auto change = [&](std::chrono::milliseconds) {
        std::vector<std::byte> block(other.measures.block_bytes);
        format::encode_superblock(block, other, 0);
        file.write(0, block);
        scratch.assign(block.size(), std::byte{0x11});
        file.write(other.measures.scratch_offset(), scratch);
        changed = true;
        return true;
    };
    try {
        measure_volume({file.path(), 10s, false, change});
        ADD_FAILURE() << "it went on";
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_volume);
    }
    EXPECT_TRUE(changed);
    EXPECT_EQ(file.read(other.measures.scratch_offset(), scratch.size()), scratch);
}

TEST(volume_meter, ends_early_when_told_to) {
    const test::volume_file file;
    const auto start = std::chrono::steady_clock::now();
    measure_volume({file.path(), 30s, true, [](auto) { return false; }});
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

}  // namespace
}  // namespace diskhb::tools
