// SPDX-License-Identifier: BSD-3-Clause
#include "tools/slot_capture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tools/pcapng.hpp"

namespace diskhb::tools {
namespace {

constexpr std::uint32_t block_bytes = 4096;
constexpr format::slot_index slot = 2;

// A slot as a node's daemon writes it, frame by frame; each frame holds its sequence.
class capture_of : public testing::Test {
  protected:
    format::superblock volume{
        .cluster = {1, 2, 3},
        .cluster_name = "c",
        .measures = *format::make_geometry(block_bytes, 4, 256 * 1024, 4 << 20)};
    format::table_header header{.node_id = slot + 1,
                                .state = format::node_state::running,
                                .incarnation = 77,
                                .sequence = 9};
    std::vector<std::byte> ring = std::vector<std::byte>(256 * 1024);
    std::uint32_t inline_count = 0;

    static std::vector<std::byte> payload_of(std::uint64_t sequence, std::size_t size) {
        std::vector<std::byte> payload(size, std::byte{0x45});
        std::memcpy(payload.data() + size - sizeof sequence, &sequence, sizeof sequence);
        return payload;
    }
    std::size_t fill(std::span<std::byte> area, std::uint64_t first, std::uint32_t frames,
                     std::size_t size) {
        std::size_t used = 0;
        for (std::uint32_t i = 0; i < frames; ++i) {
            const auto payload = payload_of(first + i, size);
            EXPECT_TRUE(format::append_frame(
                area, used,
                {.destination = 0, .submitted_ns = 1000 * (first + i), .payload = payload}));
        }
        return used;
    }
    // In whole laps only: batches of 7 blocks or 1 divide no ring, so padding comes by itself.
    void append_batch(std::uint32_t frames, std::size_t size) {
        const auto needed =
            format::batch_length_bytes(volume.measures, frames * format::frame_bytes(size));
        if (header.head % ring.size() + needed > ring.size()) {
            format::seal_padding(at_head(), volume.measures, identity(), header.head_sequence);
            header.head = (header.head / ring.size() + 1) * ring.size();
        }
        const auto used =
            fill(at_head().subspan(format::batch_header_bytes), header.head_sequence, frames, size);
        const auto sealed = format::seal_batch(at_head(), volume.measures, identity(),
                                               header.head_sequence, frames, used);
        header.head += sealed.size();
        header.head_sequence += frames;
        while (header.head - header.tail > ring.size()) {
            header.tail += block_bytes;  // near enough: the tail is not what a capture goes by
        }
        ++header.sequence;
    }
    std::span<std::byte> at_head() { return std::span(ring).subspan(header.head % ring.size()); }
    format::batch_identity identity() {
        return {volume.cluster, slot, header.incarnation, header.head};
    }
    std::vector<std::byte> table() {
        std::vector<std::byte> area(2000);
        const auto used = fill(area, header.head_sequence, inline_count, 64);
        std::vector<std::byte> block(block_bytes);
        format::encode_table(block, volume.measures, volume.cluster, header,
                             std::vector<format::acknowledgement>(4), std::span(area).first(used),
                             inline_count);
        return block;
    }
    slot_capture capture() { return capture_slot(table(), ring, volume, slot); }

    static std::vector<std::uint64_t> sequences(const std::vector<captured_frame>& frames) {
        std::vector<std::uint64_t> all;
        for (const auto& frame : frames) {
            std::uint64_t said = 0;
            std::memcpy(&said, frame.payload.data() + frame.payload.size() - sizeof said,
                        sizeof said);
            EXPECT_EQ(said, frame.sequence);
            EXPECT_EQ(frame.submitted_ns, 1000 * frame.sequence);
            all.push_back(frame.sequence);
        }
        return all;
    }
    static std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t end) {
        std::vector<std::uint64_t> all;
        for (auto each = first; each < end; ++each) {
            all.push_back(each);
        }
        return all;
    }
};

TEST_F(capture_of, a_slot_that_was_never_used_is_empty) {
    const auto found = capture_slot(std::vector<std::byte>(block_bytes), ring, volume, slot);
    EXPECT_EQ(found.table_error, errc::empty_block);
    EXPECT_TRUE(found.lives.empty());
    EXPECT_TRUE(found.unreadable.empty());
}

TEST_F(capture_of, a_log_gives_all_frames_of_ring_and_table_once) {
    append_batch(5, 100);
    append_batch(1, 9000);
    inline_count = 3;
    const auto found = capture();
    ASSERT_EQ(found.lives.size(), 1U);
    EXPECT_TRUE(found.lives[0].is_latest);
    EXPECT_EQ(found.lives[0].missing, 0U);
    EXPECT_EQ(sequences(found.lives[0].frames), from_to(0, 9));
}

TEST_F(capture_of, a_ring_that_went_round_gives_what_is_not_overwritten_and_no_gap) {
    for (int i = 0; i < 100; ++i) {
        append_batch(3, 7000);
    }
    const auto found = capture();
    ASSERT_EQ(found.lives.size(), 1U);
    const auto& life = found.lives[0];
    EXPECT_EQ(life.missing, 0U);
    ASSERT_GT(life.frames.size(), 20U);
    EXPECT_EQ(sequences(life.frames),
              from_to(header.head_sequence - life.frames.size(), header.head_sequence));
}

TEST_F(capture_of, a_damaged_batch_is_missing_and_nothing_else) {
    for (int i = 0; i < 5; ++i) {
        append_batch(4, 500);
    }
    ring[2 * block_bytes + 700] ^= std::byte{1};
    const auto found = capture();
    const auto& life = found.lives.at(0);
    EXPECT_EQ(life.missing, 4U);
    ASSERT_EQ(life.frames.size(), 16U);
    EXPECT_EQ(life.frames[8].sequence, 12U);
    EXPECT_EQ(life.frames[8].missing_before, 4U);
    EXPECT_EQ(found.unreadable.at("torn"), 1U);
}

TEST_F(capture_of, the_last_batch_is_missed_too_when_it_is_damaged) {
    append_batch(4, 500);
    append_batch(4, 500);
    ring[block_bytes + 700] ^= std::byte{1};
    const auto life = capture().lives.at(0);
    EXPECT_EQ(life.missing, 4U);
    EXPECT_EQ(sequences(life.frames), from_to(0, 4));
}

TEST_F(capture_of, a_batch_that_was_not_announced_is_told_as_such) {
    append_batch(2, 100);
    const auto before = table();
    append_batch(2, 100);
    const auto found = capture_slot(before, ring, volume, slot);
    const auto& frames = found.lives.at(0).frames;
    ASSERT_EQ(frames.size(), 4U);
    EXPECT_TRUE(frames[1].is_announced);
    EXPECT_FALSE(frames[2].is_announced);
    EXPECT_EQ(found.lives[0].missing, 0U);
}

TEST_F(capture_of, a_former_life_is_there_until_it_is_overwritten) {
    append_batch(3, 500);
    append_batch(3, 500);
    header.incarnation = 78;
    header.head = header.tail = 10 * ring.size();
    header.head_sequence = header.tail_sequence = 1'000'000;
    append_batch(2, 500);
    const auto found = capture();
    ASSERT_EQ(found.lives.size(), 2U);
    EXPECT_EQ(found.lives[0].incarnation, 77U);
    EXPECT_FALSE(found.lives[0].is_latest);
    EXPECT_EQ(sequences(found.lives[0].frames), from_to(3, 6));
    EXPECT_EQ(sequences(found.lives[1].frames), from_to(1'000'000, 1'000'002));
    EXPECT_TRUE(found.lives[1].is_latest);
}

TEST_F(capture_of, a_table_block_that_is_torn_does_not_hide_the_ring) {
    append_batch(3, 500);
    auto block = table();
    block[200] ^= std::byte{1};
    const auto found = capture_slot(block, ring, volume, slot);
    EXPECT_EQ(found.table_error, errc::torn);
    EXPECT_EQ(sequences(found.lives.at(0).frames), from_to(0, 3));
}

TEST_F(capture_of, blocks_of_others_are_not_taken) {
    append_batch(3, 500);
    const auto whole = ring;
    std::fill(ring.begin(), ring.end(), std::byte{0});
    std::copy_n(whole.begin(), block_bytes, ring.begin() + block_bytes);  // shifted
    const auto found = capture();
    EXPECT_TRUE(found.lives.at(0).frames.empty());
    EXPECT_EQ(found.unreadable.at("misplaced"), 1U);
    volume.cluster = {9};
    ring = whole;
    EXPECT_EQ(capture_slot(std::vector<std::byte>(block_bytes), ring, volume, slot)
                  .unreadable.at("foreign"),
              1U);
}

// Reads for a follower until it wants no more.
template <class Ring>
std::vector<captured_frame> look(slot_follower& follower, const std::vector<std::byte>& block,
                                 const Ring& ring) {
    auto range = follower.on_table(block);
    while (range) {
        range = follower.on_ring(
            std::span<const std::byte>(ring).subspan(range->position % ring.size(), range->bytes));
    }
    return follower.take();
}

TEST_F(capture_of, a_follower_gives_each_new_frame_once) {
    append_batch(3, 500);
    slot_follower follower(volume, slot);
    EXPECT_TRUE(look(follower, table(), ring).empty());
    inline_count = 2;
    ++header.sequence;
    EXPECT_EQ(sequences(look(follower, table(), ring)), from_to(3, 5));
    inline_count = 0;
    std::uint64_t seen = 5;
    for (int i = 0; i < 60; ++i) {
        append_batch(4, 9000);
        const auto frames = look(follower, table(), ring);
        EXPECT_EQ(sequences(frames), from_to(seen, header.head_sequence));
        seen = header.head_sequence;
        EXPECT_TRUE(look(follower, table(), ring).empty());
    }
    EXPECT_EQ(follower.missing(), 0U);
}

TEST_F(capture_of, a_follower_that_was_lapped_says_how_much_it_missed) {
    append_batch(1, 500);
    slot_follower follower(volume, slot);
    look(follower, table(), ring);
    for (int i = 0; i < 40; ++i) {
        append_batch(1, 27'000);  // seven blocks
    }
    // The oldest batch that is whole.
    header.tail = header.head - 3 * 7 * block_bytes;
    header.tail_sequence = header.head_sequence - 3;
    const auto frames = look(follower, table(), ring);
    EXPECT_EQ(sequences(frames), from_to(header.head_sequence - 3, header.head_sequence));
    EXPECT_EQ(follower.missing(), 37U);
}

TEST_F(capture_of, a_follower_takes_up_a_new_life_from_its_beginning) {
    append_batch(1, 500);
    slot_follower follower(volume, slot);
    look(follower, table(), ring);
    header.incarnation = 78;
    header.sequence = 1;
    header.head = header.tail = 5 * ring.size();
    header.head_sequence = header.tail_sequence = 500;
    append_batch(2, 500);
    EXPECT_EQ(sequences(look(follower, table(), ring)), from_to(500, 502));
    EXPECT_EQ(follower.incarnation(), 78U);
}

TEST_F(capture_of, a_follower_waits_for_a_batch_that_lags_and_then_gives_it_up) {
    append_batch(1, 500);
    slot_follower follower(volume, slot);
    look(follower, table(), ring);
    const auto before = ring;
    append_batch(2, 500);
    EXPECT_TRUE(look(follower, table(), before).empty());
    EXPECT_EQ(sequences(look(follower, table(), ring)), from_to(1, 3));
    const auto damaged_at = header.head % ring.size();
    append_batch(2, 500);
    append_batch(2, 500);
    ring[damaged_at + 300] ^= std::byte{1};
    std::vector<captured_frame> found;
    for (int i = 0; i < 100 && found.empty(); ++i) {
        found = look(follower, table(), ring);
    }
    EXPECT_EQ(sequences(found), from_to(5, 7));
    EXPECT_EQ(found.front().missing_before, 2U);
}

std::uint32_t word_at(const pcapng::bytes& block, std::size_t offset) {
    std::uint32_t value = 0;
    std::memcpy(&value, block.data() + offset, sizeof value);
    return value;
}

TEST(pcapng, blocks_carry_their_length_twice_in_whole_words) {
    const std::vector<std::byte> content(13, std::byte{0x45});
    for (const auto& block :
         {pcapng::section("x86_64", "diskhb", "comment"), pcapng::interface("n1", "node 1", 65536),
          pcapng::packet(0, 1'700'000'000'123'456'789, content, {"one", "two"}),
          pcapng::statistics(0, 5, 6, 7, "")}) {
        ASSERT_EQ(block.size() % 4, 0U);
        EXPECT_EQ(word_at(block, 4), block.size());
        EXPECT_EQ(word_at(block, block.size() - 4), block.size());
    }
}

TEST(pcapng, a_packet_has_its_time_in_two_halves_and_its_bytes) {
    const std::vector<std::byte> content(13, std::byte{0x45});
    const auto block = pcapng::packet(3, 0x1122334455667788, content, {});
    EXPECT_EQ(word_at(block, 8), 3U);
    EXPECT_EQ(word_at(block, 12), 0x11223344U);
    EXPECT_EQ(word_at(block, 16), 0x55667788U);
    EXPECT_EQ(word_at(block, 20), 13U);
    EXPECT_EQ(word_at(block, 24), 13U);
    EXPECT_TRUE(std::equal(content.begin(), content.end(), block.begin() + 28));
}

}  // namespace
}  // namespace diskhb::tools
