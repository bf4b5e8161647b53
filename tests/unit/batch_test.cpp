// SPDX-License-Identifier: BSD-3-Clause
#include "format/batch.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;
using samples::identity;

const geometry volume = samples::measures();

bytes sample_batch() { return samples::batch(volume, identity()); }

std::string verdict_at(const bytes& content, const batch_identity& expected) {
    const auto view = decode_batch(content, volume, expected);
    if (view) {
        EXPECT_GE(view->frames.data(), content.data() + batch_header_bytes);
        EXPECT_LE(view->frames.data() + view->frames.size(), content.data() + content.size());
        EXPECT_EQ(count_frames(view->frames).value(), view->frame_count);
        EXPECT_GE(view->advance_bytes, view->length_bytes);
        EXPECT_LE(view->advance_bytes,
                  volume.ring_bytes - (expected.position & (volume.ring_bytes - 1)));
    }
    return samples::verdict(view);
}

std::string decoded(const bytes& content) { return verdict_at(content, identity()); }

bytes padding(const batch_identity& who, std::uint64_t next_sequence = 503) {
    bytes buffer(volume.block_bytes, std::byte{0xee});
    seal_padding(buffer, volume, who, next_sequence);
    return buffer;
}

TEST(batch, comes_back_as_it_was_sealed) {
    for (const std::size_t size : {0U, 1U, 3952U, 3953U, 16000U, max_payload_bytes}) {
        const bytes content = samples::frames({size});
        const bytes sealed = samples::batch(volume, identity(), content, 1234);
        const auto view = decode_batch(sealed, volume, identity());
        ASSERT_TRUE(view) << size;
        EXPECT_EQ(view->first_sequence, 1234U);
        EXPECT_EQ(view->frame_count, 1U);
        EXPECT_EQ(view->length_bytes, sealed.size());
        EXPECT_EQ(view->advance_bytes, sealed.size());
        EXPECT_EQ(bytes(view->frames.begin(), view->frames.end()), content);
    }
}

TEST(batch, is_written_in_whole_blocks) {
    EXPECT_EQ(batch_length_bytes(volume, 0), 4096U);
    EXPECT_EQ(batch_length_bytes(volume, 4096 - batch_header_bytes), 4096U);
    EXPECT_EQ(batch_length_bytes(volume, 4097 - batch_header_bytes), 8192U);
    EXPECT_EQ(batch_length_bytes(samples::measures(65536), 1), 65536U);
    const bytes sealed = sample_batch();
    const std::size_t used = batch_header_bytes + samples::frames({5, 0, 32}).size();
    EXPECT_TRUE(all_zero(std::span(sealed).subspan(used)));
}

TEST(batch, rejects_every_single_bit_flip) {
    const auto counted = samples::flip_every_bit(sample_batch(), 0, 4096, decoded);
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 31},
                                     {"torn", 4096 * 8 - 112}};
    EXPECT_EQ(counted, expected);
}

TEST(batch, rejects_every_single_bit_flip_of_its_header_in_a_longer_read) {
    bytes read = sample_batch();
    read.resize(ring_bytes_min, std::byte{0xee});
    const auto counted = samples::flip_every_bit(read, 0, batch_header_bytes, decoded);
    // Lengths of 4096 + x up to the read's are tried, and found torn; only 2^18 and more are not.
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 14},
                                     {"torn", 128 * 8 - 95}};
    EXPECT_EQ(counted, expected);
}

TEST(batch, rejects_every_truncation) {
    const bytes sealed = samples::batch(volume, identity(), samples::frames({6000}));
    EXPECT_EQ(samples::truncate_everywhere(sealed, decoded), (samples::tally{{"truncated", 8192}}));
}

TEST(batch, rejects_every_mixture_with_what_lay_there_before) {
    const bytes newer = samples::batch(volume, identity(), samples::frames({5000}));
    bytes older = samples::batch(volume, identity(8192 - ring_bytes_min), samples::frames({40}));
    older.resize(newer.size(), std::byte{0xee});
    for (std::size_t cut = 512; cut < newer.size(); cut += 512) {
        const auto middle = static_cast<std::ptrdiff_t>(cut);
        bytes mixed = newer;
        std::copy(older.begin() + middle, older.end(), mixed.begin() + middle);
        EXPECT_EQ(decoded(mixed), "torn") << cut;
        mixed = older;
        std::copy(newer.begin() + middle, newer.end(), mixed.begin() + middle);
        EXPECT_EQ(decoded(mixed), cut < 4096 ? "torn" : "stale") << cut;
    }
}

TEST(batch, tells_why_it_is_not_the_one_expected) {
    const bytes sealed = sample_batch();
    EXPECT_EQ(decoded(sealed), "accepted");
    EXPECT_EQ(decoded(bytes(4096)), "empty_block");
    EXPECT_EQ(decoded(bytes(4096, std::byte{0xee})), "bad_magic");
    EXPECT_EQ(decoded(samples::table_block(volume, samples::table())), "bad_magic");
    EXPECT_EQ(decoded(samples::with(sealed, 8, std::uint16_t{2})), "other_version");

    batch_identity expected = identity();
    expected.cluster = samples::other_cluster;
    EXPECT_EQ(verdict_at(sealed, expected), "foreign");
    expected = identity();
    expected.slot = 2;
    EXPECT_EQ(verdict_at(sealed, expected), "misplaced");
    expected = identity();
    expected.incarnation += 1;
    EXPECT_EQ(verdict_at(sealed, expected), "stale");
    EXPECT_EQ(verdict_at(sealed, identity(8192 + 4096)), "misplaced");
    EXPECT_EQ(verdict_at(sealed, identity(8192 + ring_bytes_min + 4096)), "misplaced");
    for (const std::uint64_t laps : {1, 2, 1000}) {
        EXPECT_EQ(verdict_at(sealed, identity(8192 + laps * ring_bytes_min)), "stale");
        EXPECT_EQ(
            verdict_at(samples::batch(volume, identity(8192 + laps * ring_bytes_min)), identity()),
            "lapped");
    }
}

TEST(batch, compares_positions_across_their_wrap) {
    for (const std::uint64_t wrap : {std::uint64_t{1} << 32, std::uint64_t{0}}) {
        const bytes last = samples::batch(volume, identity(wrap - ring_bytes_min));
        const bytes first = samples::batch(volume, identity(wrap));
        EXPECT_EQ(verdict_at(last, identity(wrap - ring_bytes_min)), "accepted");
        EXPECT_EQ(verdict_at(first, identity(wrap)), "accepted");
        EXPECT_EQ(verdict_at(last, identity(wrap)), "stale");
        EXPECT_EQ(verdict_at(first, identity(wrap - ring_bytes_min)), "lapped");
        const bytes at_end = samples::batch(volume, identity(wrap - 4096));
        EXPECT_EQ(verdict_at(at_end, identity(wrap - 4096)), "accepted");
    }
}

TEST(batch, numbers_its_frames_across_the_wrap_of_sequences) {
    for (const std::uint64_t sequence : {(std::uint64_t{1} << 32) - 1, ~std::uint64_t{0}}) {
        const auto sealed =
            samples::batch(volume, identity(), samples::frames({5, 0, 32}), sequence);
        const auto view = decode_batch(sealed, volume, identity());
        ASSERT_TRUE(view);
        EXPECT_EQ(view->first_sequence, sequence);
        EXPECT_EQ(view->first_sequence + view->frame_count, sequence + 3);
    }
}

TEST(batch, may_fill_what_is_left_of_the_lap_but_not_more) {
    const std::uint64_t position = 3 * ring_bytes_min - 8192;
    const bytes fitting = samples::batch(volume, identity(position), samples::frames({6000}));
    EXPECT_EQ(verdict_at(fitting, identity(position)), "accepted");
    // The same one block further on would cross the end of the ring.
    const bytes crossing = samples::with(fitting, 48, position + 4096);
    EXPECT_EQ(verdict_at(crossing, identity(position + 4096)), "malformed");
}

TEST(batch_of_padding, leads_to_the_start_of_the_next_lap) {
    for (const std::uint64_t left : {4096U, 8192U, 200704U}) {
        const std::uint64_t position = 5 * ring_bytes_min - left;
        const bytes sealed = padding(identity(position));
        const auto view = decode_batch(sealed, volume, identity(position));
        ASSERT_TRUE(view) << left;
        EXPECT_EQ(view->frame_count, 0U);
        EXPECT_TRUE(view->frames.empty());
        EXPECT_EQ(view->first_sequence, 503U);
        EXPECT_EQ(view->length_bytes, 4096U);
        EXPECT_EQ(view->advance_bytes, left);
        EXPECT_EQ(volume.ring_offset(1, position + view->advance_bytes), volume.ring_offset(1));
    }
}

TEST(batch_of_padding, may_be_the_last_before_positions_wrap) {
    const std::uint64_t position = std::uint64_t{0} - 8192;
    const bytes sealed = padding(identity(position));
    const auto view = decode_batch(sealed, volume, identity(position));
    ASSERT_TRUE(view);
    EXPECT_EQ(position + view->advance_bytes, 0U);
}

TEST(batch_of_padding, may_not_claim_another_advance) {
    const bytes sealed = padding(identity());
    for (const std::uint64_t advance :
         {std::uint64_t{0}, std::uint64_t{4096}, ring_bytes_min, ~std::uint64_t{0}}) {
        EXPECT_EQ(decoded(samples::with(sealed, 104, advance)), "malformed") << advance;
    }
    EXPECT_EQ(decoded(samples::with(sealed, 104, ring_bytes_min - 8192)), "accepted");
}

TEST(batch, refuses_fields_that_contradict_each_other) {
    const bytes sealed = sample_batch();
    for (const std::uint32_t count : {0U, 1U, 2U, 4U, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(sealed, 96, count)), "malformed") << count;
    }
    for (const std::uint32_t size :
         {0U, 1U, 80U, 87U, 89U, 96U, 3968U, 3969U, 4096U, 0x7fffffffU, 0xffffff80U, 0xffffffffU}) {
        EXPECT_EQ(decoded(samples::with(sealed, 100, size)), "malformed") << size;
    }
    for (const std::uint64_t advance : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{8192},
                                        ring_bytes_min - 8192, ~std::uint64_t{0}}) {
        EXPECT_EQ(decoded(samples::with(sealed, 104, advance)), "malformed") << advance;
    }
    for (std::size_t at = 112; at < 128; ++at) {
        EXPECT_EQ(decoded(samples::with(sealed, at, std::uint8_t{1})), "malformed") << at;
    }
    batch_identity nobody = identity();
    nobody.incarnation = 0;
    EXPECT_EQ(verdict_at(samples::with(sealed, 32, std::uint64_t{0}), nobody), "malformed");
}

TEST(batch, takes_no_length_on_trust) {
    for (const std::uint32_t length : {96U, 100U, 127U, 128U, 216U, 512U, 4095U}) {
        bytes sealed = sample_batch();
        sealed.resize(length);
        store(std::span(sealed), 12, length);
        samples::fix_checksum(sealed);
        EXPECT_EQ(decoded(sealed), "malformed") << length;
    }
    // Intact, yet longer than its frames need, or than the whole ring.
    for (const std::size_t length : {std::size_t{8192}, std::size_t{ring_bytes_min} + 4096}) {
        bytes sealed = sample_batch();
        sealed.resize(length);
        store(std::span(sealed), 12, static_cast<std::uint32_t>(length));
        store(std::span(sealed), 104, std::uint64_t{length});
        samples::fix_checksum(sealed);
        EXPECT_EQ(decoded(sealed), "malformed") << length;
    }
}

TEST(batch, survives_every_value_in_every_field) {
    const std::size_t end_of_frames = batch_header_bytes + samples::frames({5, 0, 32}).size();
    const auto counted = samples::set_every_value(sample_batch(), 0, end_of_frames, decoded);
    for (const char* kind : {"accepted", "bad_magic", "other_version", "malformed", "misplaced",
                             "foreign", "truncated", "torn", "stale", "lapped"}) {
        EXPECT_GT(counted.count(kind), 0U) << kind;
    }
}

TEST(batch, that_was_intact_once_is_never_accepted_after_an_edit) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes sealed = samples::batch(volume, identity(), samples::frames({300, 6000, 1}));
    for (int round = 0; round < 5000; ++round) {
        ASSERT_NE(decoded(random.edit(sealed)), "accepted");
    }
}

TEST(batch, edited_by_a_writer_that_lies_is_refused_or_harmless) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes sealed = sample_batch();
    for (int round = 0; round < 5000; ++round) {
        bytes edited = random.edit(sealed);
        samples::fix_checksum(edited);
        decoded(edited);
    }
}

TEST(batch_death, is_not_sealed_across_the_end_of_the_ring) {
    bytes buffer(8192);
    EXPECT_DEATH(seal_batch(buffer, volume, identity(ring_bytes_min - 4096), 1, 1, 6000),
                 "assertion failed");
}

}  // namespace
}  // namespace diskhb::format
