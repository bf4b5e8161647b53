// SPDX-License-Identifier: BSD-3-Clause
// What diskhb dump says of a slot.
#include "tools/slot_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace diskhb::tools {
namespace {

constexpr std::uint32_t block_bytes = 4096;
constexpr format::slot_index slot = 2;
constexpr std::uint64_t incarnation = 77;

// A slot's table block and ring, with a log that starts three blocks before the end of a lap.
class slot_report_of : public testing::Test {
  protected:
    format::superblock volume{
        .cluster = {1, 2, 3},
        .cluster_name = "c",
        .measures = *format::make_geometry(block_bytes, 4, 256 * 1024, 4 << 20)};
    format::table_header header{.node_id = slot + 1,
                                .state = format::node_state::running,
                                .incarnation = incarnation,
                                .sequence = 9,
                                .tail = 256 * 1024 - 3 * block_bytes,
                                .tail_sequence = 100,
                                .head = 256 * 1024 - 3 * block_bytes,
                                .head_sequence = 100};
    std::vector<std::byte> ring = std::vector<std::byte>(256 * 1024);

    std::span<std::byte> at_head() { return std::span(ring).subspan(header.head % ring.size()); }
    format::batch_identity identity() { return {volume.cluster, slot, incarnation, header.head}; }
    void append_batch(std::uint32_t frames, std::size_t payload_bytes) {
        const std::vector<std::byte> payload(payload_bytes, std::byte{5});
        const auto area = at_head().subspan(format::batch_header_bytes);
        std::size_t used = 0;
        for (std::uint32_t i = 0; i < frames; ++i) {
            ASSERT_TRUE(format::append_frame(area, used, {.payload = payload}));
        }
        const auto sealed = format::seal_batch(at_head(), volume.measures, identity(),
                                               header.head_sequence, frames, used);
        header.head += sealed.size();
        header.head_sequence += frames;
    }
    void append_padding() {
        format::seal_padding(at_head(), volume.measures, identity(), header.head_sequence);
        header.head = (header.head / ring.size() + 1) * ring.size();
    }
    slot_report report(std::span<const std::byte> inline_frames = {}, std::uint32_t count = 0) {
        std::vector<std::byte> block(block_bytes);
        std::vector<format::acknowledgement> acknowledgements(4);
        acknowledgements[0] = {11, 12, 13};
        format::encode_table(block, volume.measures, volume.cluster, header, acknowledgements,
                             inline_frames, count);
        auto made = report_table(block, volume, slot);
        EXPECT_FALSE(made.table_error);
        report_ring(made, ring, volume);
        return made;
    }
};

TEST_F(slot_report_of, an_empty_log_has_no_batches) {
    const auto made = report();
    EXPECT_EQ(made.header, header);
    EXPECT_TRUE(made.batches.empty());
    EXPECT_TRUE(made.invalid.empty());
    EXPECT_EQ(made.acknowledgements[0].read_sequence, 12U);
}

TEST_F(slot_report_of, a_log_over_the_end_of_a_lap_lists_batches_and_padding) {
    const std::uint64_t start = header.head;
    append_batch(2, 100);
    append_padding();
    append_batch(3, 3000);
    const auto made = report();
    ASSERT_EQ(made.batches.size(), 3U);
    EXPECT_EQ(made.batches[0].position, start);
    EXPECT_EQ(made.batches[0].frames, 2U);
    EXPECT_EQ(made.batches[1].frames, 0U);
    EXPECT_EQ(made.batches[1].advance_bytes, 2 * block_bytes);
    EXPECT_EQ(made.batches[2].position, 256U * 1024);
    EXPECT_EQ(made.batches[2].first_sequence, 102U);
    EXPECT_EQ(made.batches[2].length_bytes, 3 * block_bytes);
}

TEST_F(slot_report_of, a_damaged_batch_does_not_hide_the_next_one) {
    append_padding();
    append_batch(3, 3000);
    append_batch(1, 10);
    ring[200] ^= std::byte{1};
    const auto made = report();
    EXPECT_EQ(made.batches.size(), 2U);
    EXPECT_EQ(made.batches.back().first_sequence, 103U);
    EXPECT_EQ(made.invalid.at("torn"), 1U);
    std::uint64_t blocks = 0;
    for (const auto& [kind, count] : made.invalid) {
        blocks += count;
    }
    EXPECT_EQ(blocks, 3U);
}

TEST_F(slot_report_of, an_overwritten_log_is_called_lapped) {
    append_padding();
    const std::uint64_t first = header.head;
    append_batch(1, 10);
    const std::uint64_t end = header.head;
    header.head = first + ring.size();
    append_batch(1, 10);
    header.tail = first;
    header.head = end;
    header.tail_sequence = 0;
    const auto made = report();
    EXPECT_TRUE(made.batches.empty());
    EXPECT_EQ(made.invalid.at("lapped"), 1U);
}

TEST_F(slot_report_of, inline_frames_are_listed) {
    std::vector<std::byte> area(256);
    std::size_t used = 0;
    ASSERT_TRUE(format::append_frame(
        area, used, {.destination = 0, .kind = format::frame_kind::echo_request, .payload = {}}));
    ASSERT_TRUE(format::append_frame(area, used, {.payload = std::span(area).first(10)}));
    const auto made = report(std::span(area).first(used), 2);
    ASSERT_EQ(made.inline_frames.size(), 2U);
    const auto json = to_json(made);
    EXPECT_EQ(json["inline_frames"][0]["kind"], "echo_request");
    EXPECT_EQ(json["inline_frames"][0]["destination"], "1");
    EXPECT_EQ(json["inline_frames"][1]["destination"], "all");
    EXPECT_EQ(json["inline_frames"][1]["length_bytes"], 10);
    EXPECT_EQ(json["incarnation"], "000000000000004d");
    EXPECT_EQ(json["acknowledgements"].size(), 1U);
}

TEST_F(slot_report_of, a_table_block_that_fails_its_checks_says_nothing_else) {
    const std::vector<std::byte> block(block_bytes);
    const auto made = report_table(block, volume, slot);
    EXPECT_EQ(made.table_error, errc::empty_block);
    EXPECT_EQ(to_json(made).dump(), R"({"node":3,"block":"empty_block"})");
}

}  // namespace
}  // namespace diskhb::tools
