// SPDX-License-Identifier: BSD-3-Clause
// Formatting a volume and finding its superblock, on simulated devices.
#include "io/volume.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "io/sim_device.hpp"
#include "io/volume_format.hpp"

namespace diskhb::io {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1 << 20;

format::superblock make(std::uint32_t block_bytes, std::uint64_t device_bytes) {
    const auto measures =
        format::make_geometry(block_bytes, 4, smallest_ring_bytes(block_bytes), device_bytes);
    return make_superblock("west", *measures, {1, 2, 3}, 1'700'000'000);
}

class volume_on : public testing::TestWithParam<std::uint32_t> {
  protected:
    static constexpr std::uint64_t device_bytes = 4 * mib + 12 * 1024;

    sim_clock clock;
    std::shared_ptr<sim_volume> memory = std::make_shared<sim_volume>(clock, device_bytes);
    std::shared_ptr<sim_port> port = std::make_shared<sim_port>(memory, 1);
    sim_source source{port};
    format::superblock content = make(GetParam(), device_bytes);

    boost::system::error_code write(const format_options& options = {}) {
        return write_volume(**source.open(), content, options);
    }
    void damage(std::uint64_t offset) { memory->bytes()[offset + 200] ^= std::byte{1}; }
};

TEST_P(volume_on, is_found_after_it_was_written) {
    ASSERT_FALSE(write());
    const auto opened = open_volume(source, "west", 1s);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->superblock, content);
    const auto pair = read_superblocks(*opened->device, 1s);
    EXPECT_EQ(*pair.first, content);
    EXPECT_EQ(*pair.copy, content);
}

TEST_P(volume_on, is_found_by_its_copy_when_the_first_superblock_is_damaged) {
    ASSERT_FALSE(write());
    damage(0);
    const auto opened = open_volume(source, "", 1s);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->superblock, content);
    const auto pair = read_superblocks(*opened->device, 1s);
    EXPECT_EQ(pair.first.error(), errc::torn);
    EXPECT_EQ(*pair.best(), content);
}

TEST_P(volume_on, is_found_without_its_copy) {
    ASSERT_FALSE(write());
    damage(content.measures.superblock_copy_offset());
    EXPECT_TRUE(open_volume(source, "", 1s));
    const auto pair = read_superblocks(**source.open(), 1s);
    EXPECT_EQ(*pair.first, content);
    EXPECT_EQ(pair.copy.error(), errc::torn);
}

TEST_P(volume_on, is_not_found_without_either) {
    EXPECT_EQ(open_volume(source, "", 1s).error(), errc::empty_block);
    ASSERT_FALSE(write());
    damage(0);
    damage(content.measures.superblock_copy_offset());
    EXPECT_EQ(open_volume(source, "", 1s).error(), errc::torn);
}

TEST_P(volume_on, refuses_another_cluster_name) {
    ASSERT_FALSE(write());
    EXPECT_EQ(open_volume(source, "east", 1s).error(), errc::wrong_cluster);
}

TEST_P(volume_on, clears_what_lay_there_before) {
    std::ranges::fill(memory->bytes(), std::byte{0xee});
    ASSERT_FALSE(write());
    const auto& measures = content.measures;
    const auto is_zero = [&](std::uint64_t offset, std::uint64_t bytes) {
        return std::ranges::all_of(memory->bytes().subspan(offset, bytes),
                                   [](std::byte each) { return each == std::byte{0}; });
    };
    EXPECT_TRUE(is_zero(measures.table_offset(), 2 * measures.table_bytes()));
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        EXPECT_TRUE(is_zero(measures.ring_offset(slot), measures.block_bytes));
    }
    EXPECT_TRUE(is_zero(measures.superblock_copy_offset() - 64 * 1024, 64 * 1024));
}

TEST_P(volume_on, is_none_when_formatting_stops_half_way) {
    ASSERT_FALSE(write());
    format_options options;
    int steps = 0;
    options.flush = [&] {
        port->set_rate(sim_fault::write_error, 1);
        ++steps;
        return boost::system::error_code();
    };
    EXPECT_EQ(write(options).value(), EIO);
    EXPECT_EQ(steps, 1);
    EXPECT_FALSE(read_superblocks(**source.open(), 1s).first);
}

TEST_P(volume_on, is_not_called_done_when_it_reads_back_otherwise) {
    std::ranges::fill(memory->bytes(), std::byte{0xee});
    port->set_rate(sim_fault::lost, 1);
    EXPECT_EQ(write(), errc::io_failed);
    port->set_all_rates(0);
    port->set_rate(sim_fault::bit_flip, 1);
    EXPECT_EQ(write(), errc::io_failed);
}

TEST_P(volume_on, reports_a_device_that_fails_or_hangs) {
    ASSERT_FALSE(write());
    port->set_rate(sim_fault::read_error, 1);
    EXPECT_EQ(open_volume(source, "", 1s).error().value(), EIO);
    port->set_all_rates(0);
    port->set_hanging(true);
    // More than are kept: each of them returns, none waits for the device.
    for (int attempt = 0; attempt < 6; ++attempt) {
        EXPECT_EQ(open_volume(source, "", 1ms).error(), errc::timed_out);
    }
    port->set_hanging(false);
    clock.advance_to(clock.now_ns() + 10'000'000);
    EXPECT_TRUE(open_volume(source, "", 1s));
    port->set_open_error(ENXIO);
    EXPECT_EQ(open_volume(source, "", 1s).error().value(), ENXIO);
}

TEST_P(volume_on, tells_its_progress_up_to_the_end) {
    format_options options;
    options.fill_rings = true;
    std::uint64_t last = 0;
    std::uint64_t all = 0;
    options.progress = [&](std::uint64_t done_bytes, std::uint64_t all_bytes) {
        EXPECT_GT(done_bytes, last);
        last = done_bytes;
        all = all_bytes;
    };
    ASSERT_FALSE(write(options));
    EXPECT_EQ(last, all);
    EXPECT_GT(all, 2 * 4 * content.measures.ring_bytes);
}

INSTANTIATE_TEST_SUITE_P(blocks, volume_on, testing::Values(4096, 16384, 65536));

TEST(check_superblock, refuses_a_device_that_shrank_or_has_larger_blocks) {
    const auto content = make(4096, 4 * mib);
    EXPECT_FALSE(check_superblock(content, 4 * mib, 512, ""));
    EXPECT_FALSE(check_superblock(content, 8 * mib, 4096, "west"));
    EXPECT_EQ(check_superblock(content, 4 * mib - 4096, 512, ""), errc::truncated);
    EXPECT_EQ(check_superblock(content, 4 * mib, 8192, ""), errc::malformed);
}

TEST(open_volume, reports_a_device_too_small_for_a_superblock) {
    sim_clock clock;
    sim_source source(
        std::make_shared<sim_port>(std::make_shared<sim_volume>(clock, 2048, 512), 1));
    EXPECT_EQ(open_volume(source, "", 1s).error(), errc::bad_magic);
}

TEST(largest_ring_bytes, takes_the_largest_power_of_two_that_fits) {
    EXPECT_EQ(largest_ring_bytes(4096, 16, 1024 * mib), 16 * mib);
    EXPECT_EQ(largest_ring_bytes(4096, 16, 64 * mib), 2 * mib);
    const std::uint64_t least = needed_bytes(4096, 16, 256 * 1024);
    EXPECT_EQ(least, mib + 4 * mib + 4096);
    EXPECT_EQ(largest_ring_bytes(4096, 16, least), 256U * 1024);
    EXPECT_EQ(largest_ring_bytes(4096, 16, least - 1), std::nullopt);
}

TEST(smallest_ring_bytes, grows_with_the_blocks) {
    EXPECT_EQ(smallest_ring_bytes(4096), 256U * 1024);
    EXPECT_EQ(smallest_ring_bytes(65536), 512U * 1024);
}

TEST(make_superblock, draws_a_version_4_uuid) {
    const auto text = format::to_string(make(4096, 4 * mib).cluster);
    EXPECT_EQ(text[14], '4');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos);
}

}  // namespace
}  // namespace diskhb::io
