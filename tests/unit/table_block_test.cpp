// SPDX-License-Identifier: BSD-3-Clause
#include "format/table_block.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

const geometry volume = samples::measures();

bytes sample_block() { return samples::table_block(volume, samples::table()); }

result<table_view> decode(std::span<const std::byte> block) {
    return decode_table(block, volume, samples::cluster, samples::slot);
}

// The verdict, and for what was accepted that its views stay inside and say what they hold.
std::string decoded(const bytes& block) {
    const auto view = decode(block);
    if (view) {
        EXPECT_GE(view->inline_frames.data(), block.data());
        EXPECT_LE(view->inline_frames.data() + view->inline_frames.size(),
                  block.data() + block.size());
        EXPECT_EQ(view->acknowledgements.size(), volume.slots * acknowledgement_bytes);
        EXPECT_EQ(count_frames(view->inline_frames).value(), view->inline_count);
        EXPECT_LE(view->head - view->tail, volume.ring_bytes);
        EXPECT_NE(view->incarnation, 0U);
    }
    return samples::verdict(view);
}

TEST(table_block, comes_back_as_it_was_written) {
    for (const std::uint32_t block_bytes : {4096U, 65536U}) {
        for (const std::uint16_t slots :
             std::vector<std::uint16_t>{2, 5, slots_most(block_bytes)}) {
            const geometry other = samples::measures(block_bytes, slots);
            const bytes content = samples::frames({5, 0, 32});
            table_header header = samples::table();
            header.tail = block_bytes;
            header.head = 3 * std::uint64_t{block_bytes};
            const bytes block = samples::table_block(other, header, content);
            const auto view = decode_table(block, other, samples::cluster, samples::slot);
            ASSERT_TRUE(view);
            EXPECT_EQ(static_cast<const table_header&>(*view), header);
            EXPECT_EQ(view->inline_count, 3U);
            EXPECT_EQ(bytes(view->inline_frames.begin(), view->inline_frames.end()), content);
            const auto acks = samples::acks(other);
            for (slot_index peer = 0; peer < slots; ++peer) {
                EXPECT_EQ(acknowledgement_of(*view, peer), acks[peer]);
            }
        }
    }
}

TEST(table_block, carries_no_frames_or_as_many_bytes_as_fit) {
    const bytes none = samples::table_block(volume, samples::table(), {});
    ASSERT_TRUE(decode(none));
    EXPECT_EQ(decode(none)->inline_count, 0U);

    const std::size_t capacity = inline_capacity_bytes(volume);
    EXPECT_EQ(capacity, 4096U - 160 - 4 * 32);
    const bytes full = samples::frames({capacity - frame_header_bytes});
    EXPECT_EQ(full.size(), capacity);
    const bytes block = samples::table_block(volume, samples::table(), full);
    ASSERT_TRUE(decode(block));
    EXPECT_EQ(decode(block)->inline_frames.size(), capacity);
    EXPECT_GT(inline_capacity_bytes(samples::measures(4096, 96)), 512U);
}

TEST(table_block, leaves_no_old_bytes_behind_its_frames) {
    const bytes block = sample_block();
    const std::size_t used = 160 + 4 * 32 + samples::frames({5, 0, 32}).size();
    EXPECT_TRUE(all_zero(std::span(block).subspan(used)));
}

TEST(table_block, knows_both_states) {
    table_header header = samples::table();
    header.state = node_state::stopped;
    const bytes stopped = samples::table_block(volume, header);
    ASSERT_TRUE(decode(stopped));
    EXPECT_EQ(decode(stopped)->state, node_state::stopped);
    for (const std::uint16_t state : std::vector<std::uint16_t>{0, 3, 256, 65535}) {
        EXPECT_EQ(decoded(samples::with(sample_block(), 100, state)), "malformed") << state;
    }
}

TEST(table_block, rejects_every_single_bit_flip) {
    const auto counted = samples::flip_every_bit(sample_block(), 0, 4096, decoded);
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 31},
                                     {"torn", 4096 * 8 - 112}};
    EXPECT_EQ(counted, expected);
}

TEST(table_block, rejects_every_truncation) {
    const auto counted = samples::truncate_everywhere(sample_block(), decoded);
    EXPECT_EQ(counted, (samples::tally{{"truncated", 4096}}));
}

// A device may write the sectors of a block in any order and stop anywhere between them.
TEST(table_block, rejects_every_mixture_of_two_writes) {
    const bytes older = samples::table_block(volume, samples::table(77), samples::frames({40}));
    const bytes newer = samples::table_block(volume, samples::table(78), samples::frames({3000}));
    for (std::size_t cut = 0; cut <= newer.size(); ++cut) {
        bytes mixed = newer;
        const auto middle = static_cast<std::ptrdiff_t>(cut);
        std::copy(older.begin() + middle, older.end(), mixed.begin() + middle);
        if (mixed != older && mixed != newer) {
            ASSERT_EQ(decoded(mixed), "torn") << cut;
        }
        mixed = older;
        std::copy(newer.begin() + middle, newer.end(), mixed.begin() + middle);
        if (mixed != older && mixed != newer) {
            ASSERT_EQ(decoded(mixed), "torn") << cut;
        }
    }
}

TEST(table_block, tells_why_it_is_not_the_one_expected) {
    const bytes block = sample_block();
    const auto verdict = [&](const bytes& from, const uuid& cluster, slot_index slot) {
        return samples::verdict(decode_table(from, volume, cluster, slot));
    };
    EXPECT_EQ(verdict(block, samples::cluster, samples::slot), "accepted");
    EXPECT_EQ(verdict(block, samples::other_cluster, samples::slot), "foreign");
    EXPECT_EQ(verdict(block, samples::cluster, 0), "misplaced");
    EXPECT_EQ(verdict(block, samples::cluster, every_slot), "misplaced");
    EXPECT_EQ(verdict(bytes(4096), samples::cluster, samples::slot), "empty_block");
    EXPECT_EQ(verdict(samples::with(block, 8, std::uint16_t{2}), samples::cluster, samples::slot),
              "other_version");
    // Its own slot, but another place: as after a volume was copied to another geometry.
    EXPECT_EQ(decoded(samples::with(block, 48, std::uint64_t{4096})), "misplaced");
    const geometry wider = samples::measures(8192);
    const bytes longer = samples::table_block(wider, samples::table());
    EXPECT_EQ(decoded(longer), "misplaced");
}

TEST(table_block, refuses_fields_that_contradict_each_other) {
    const bytes block = sample_block();
    EXPECT_EQ(decoded(samples::with(block, 32, std::uint64_t{0})), "malformed");  // incarnation
    for (const std::uint32_t node_id : {0U, 1U, 3U, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(block, 96, node_id)), "malformed");
    }
    for (const std::uint16_t count : std::vector<std::uint16_t>{0, 3, 5, 65535}) {
        EXPECT_EQ(decoded(samples::with(block, 102, count)), "malformed");
    }
    EXPECT_EQ(decoded(samples::with(block, 112, std::uint64_t{40960 + 4096})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 112, std::uint64_t{8193})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 128, std::uint64_t{40961})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 128, 8192 + ring_bytes_min + 4096)), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 128, 8192 + ring_bytes_min)), "accepted");
    EXPECT_EQ(decoded(samples::with(block, 120, std::uint64_t{31})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 120, std::uint64_t{30})), "accepted");
    for (std::size_t at = 152; at < 160; ++at) {
        EXPECT_EQ(decoded(samples::with(block, at, std::uint8_t{1})), "malformed") << at;
    }
}

TEST(table_block, takes_no_length_of_its_frames_on_trust) {
    const bytes block = sample_block();
    const auto capacity = static_cast<std::uint32_t>(inline_capacity_bytes(volume));
    for (const std::uint32_t size : {0U, 1U, 16U, 87U, 89U, capacity - 1, capacity, capacity + 1,
                                     capacity + 8, 0x7fffffffU, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(block, 144, size)), "malformed") << size;
    }
    for (const std::uint32_t count : {0U, 1U, 2U, 4U, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(block, 148, count)), "malformed") << count;
    }
    const std::size_t first_frame = 160 + 4 * 32;
    for (const std::uint32_t size : {25U, 4096U, 0x7ffffff8U, 0xfffffff8U, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(block, first_frame, size)), "malformed") << size;
    }
    // A shorter block than the volume's, however intact.
    bytes short_block(block.begin(), block.begin() + 512);
    store(std::span(short_block), 12, std::uint32_t{512});
    samples::fix_checksum(short_block);
    EXPECT_EQ(decoded(short_block), "malformed");
}

TEST(table_block, survives_every_value_in_every_field) {
    const std::size_t end_of_frames = 160 + 4 * 32 + samples::frames({5, 0, 32}).size();
    const auto counted = samples::set_every_value(sample_block(), 0, end_of_frames, decoded);
    for (const char* kind : {"accepted", "bad_magic", "other_version", "malformed", "misplaced",
                             "foreign", "truncated", "torn"}) {
        EXPECT_GT(counted.count(kind), 0U) << kind;
    }
}

TEST(table_block, that_was_intact_once_is_never_accepted_after_an_edit) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes block = sample_block();
    for (int round = 0; round < 5000; ++round) {
        ASSERT_NE(decoded(random.edit(block)), "accepted");
    }
}

TEST(table_block, edited_by_a_writer_that_lies_is_refused_or_harmless) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes block = samples::table_block(volume, samples::table(), samples::frames({3600}));
    for (int round = 0; round < 5000; ++round) {
        bytes edited = random.edit(block);
        samples::fix_checksum(edited);
        decoded(edited);
    }
}

TEST(table_block, holds_logs_across_the_wrap_of_positions_and_sequences) {
    for (const std::uint64_t wrap : {std::uint64_t{1} << 32, std::uint64_t{0}}) {
        table_header header = samples::table();
        header.tail = wrap - 8192;
        header.head = wrap + 4096;
        header.tail_sequence = wrap - 3;
        header.head_sequence = wrap + 5;
        header.sequence = wrap - 1;
        const bytes block = samples::table_block(volume, header);
        ASSERT_TRUE(decode(block));
        EXPECT_EQ(static_cast<const table_header&>(*decode(block)), header);
        // The same turned round is a log that ends before it begins.
        bytes turned = block;
        store(std::span(turned), 120, header.head_sequence);
        store(std::span(turned), 136, header.tail_sequence);
        samples::fix_checksum(turned);
        EXPECT_EQ(decoded(turned), "malformed");
        store(std::span(turned), 112, header.head);
        store(std::span(turned), 128, header.tail);
        samples::fix_checksum(turned);
        EXPECT_EQ(decoded(turned), "malformed");
    }
}

}  // namespace
}  // namespace diskhb::format
