// SPDX-License-Identifier: BSD-3-Clause
#include "format/superblock.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

superblock sample_content() {
    superblock content;
    content.cluster = samples::cluster;
    content.cluster_name = "production";
    content.measures = samples::measures();
    content.compatible_features = 0;
    content.formatted_at_s = 1700000000;
    return content;
}

bytes sample_block(const superblock& content = sample_content(), std::uint64_t offset = 0) {
    bytes block(content.measures.block_bytes, std::byte{0xee});
    encode_superblock(block, content, offset);
    return block;
}

std::string decoded(const bytes& block) { return samples::verdict(decode_superblock(block, 0)); }

TEST(superblock, comes_back_as_it_was_written) {
    for (const std::uint32_t block_bytes : {4096U, 8192U, 65536U}) {
        superblock content = sample_content();
        content.measures = samples::measures(block_bytes, slots_most(block_bytes));
        const auto found = decode_superblock(sample_block(content), 0);
        ASSERT_TRUE(found);
        EXPECT_EQ(*found, content);
    }
}

TEST(superblock, holds_names_of_every_length) {
    for (std::size_t size = 1; size <= cluster_name_bytes_max; ++size) {
        superblock content = sample_content();
        content.cluster_name.assign(size, '~');
        const auto found = decode_superblock(sample_block(content), 0);
        ASSERT_TRUE(found) << size;
        ASSERT_EQ(found->cluster_name, content.cluster_name);
    }
}

TEST(superblock, has_a_copy_that_knows_its_place) {
    const superblock content = sample_content();
    const std::uint64_t end = content.measures.superblock_copy_offset();
    const bytes copy = sample_block(content, end);
    EXPECT_TRUE(decode_superblock(copy, end));
    EXPECT_EQ(samples::verdict(decode_superblock(copy, 0)), "misplaced");
    EXPECT_EQ(samples::verdict(decode_superblock(sample_block(), end)), "misplaced");
    const bytes elsewhere = sample_block(content, 8192);
    EXPECT_EQ(samples::verdict(decode_superblock(elsewhere, 8192)), "misplaced");
}

TEST(superblock, may_be_read_with_more_than_its_block) {
    bytes block = sample_block();
    block.resize(block_bytes_max, std::byte{0xff});
    EXPECT_EQ(decoded(block), "accepted");
}

TEST(superblock, rejects_every_single_bit_flip) {
    const auto counted = samples::flip_every_bit(sample_block(), 0, 4096, decoded);
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 31},
                                     {"torn", 4096 * 8 - 112}};
    EXPECT_EQ(counted, expected);
}

TEST(superblock, rejects_every_truncation) {
    const auto counted = samples::truncate_everywhere(sample_block(), decoded);
    EXPECT_EQ(counted, (samples::tally{{"truncated", 4096}}));
}

TEST(superblock, refuses_unknown_incompatible_features_only) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t feature = 1ULL << bit;
        EXPECT_EQ(decoded(samples::with(sample_block(), 128, feature)), "other_version");
        const auto found = decode_superblock(samples::with(sample_block(), 120, feature), 0);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->compatible_features, feature);
    }
}

TEST(superblock, refuses_measures_that_cannot_be) {
    const bytes block = sample_block();
    const auto volume = sample_content().measures.volume_bytes;
    EXPECT_EQ(decoded(samples::with(block, 96, std::uint32_t{8192})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 96, std::uint32_t{0})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 100, std::uint16_t{1})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 100, std::uint16_t{129})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 104, std::uint64_t{12345})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 104, std::uint64_t{1} << 63)), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 112, std::uint64_t{0})), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 112, volume - 1)), "malformed");
    EXPECT_EQ(decoded(samples::with(block, 112, ~std::uint64_t{0})), "malformed");
}

TEST(superblock, refuses_names_that_are_not_printable) {
    const bytes block = sample_block();
    for (const std::uint16_t size : std::vector<std::uint16_t>{0, 256, 4096, 65535}) {
        EXPECT_EQ(decoded(samples::with(block, 102, size)), "malformed") << size;
    }
    for (const std::uint8_t letter : std::vector<std::uint8_t>{0, 10, 27, 31, 127, 128, 255}) {
        EXPECT_EQ(decoded(samples::with(block, 144, letter)), "malformed") << int{letter};
    }
}

TEST(superblock, survives_every_value_in_every_field) {
    const auto counted = samples::set_every_value(sample_block(), 8, 160, decoded);
    for (const char* kind : {"accepted", "other_version", "malformed", "misplaced", "truncated"}) {
        EXPECT_GT(counted.count(kind), 0U) << kind;
    }
}

TEST(superblock, that_was_intact_once_is_never_accepted_after_an_edit) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes block = sample_block();
    for (int round = 0; round < 2000; ++round) {
        ASSERT_NE(decoded(random.edit(block)), "accepted");
    }
}

TEST(superblock, shows_its_uuid_as_text) {
    EXPECT_EQ(to_string(samples::cluster), "10111213-1415-1617-1819-1a1b1c1d1e1f");
    EXPECT_EQ(to_string(uuid{}), "00000000-0000-0000-0000-000000000000");
}

}  // namespace
}  // namespace diskhb::format
