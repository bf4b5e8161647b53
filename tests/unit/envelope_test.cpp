// SPDX-License-Identifier: BSD-3-Clause
#include "format/envelope.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

envelope sample_fields(std::uint32_t length_bytes = 512) {
    return {block_kind::table,  3,
            length_bytes,       samples::cluster,
            0x1122334455667788, 0x99aabbccddeeff00,
            0x0123456789abcdef};
}

bytes sample_block(std::uint32_t length_bytes = 512) {
    bytes block = samples::payload(length_bytes);
    seal(block, sample_fields(length_bytes));
    return block;
}

std::string unsealed(const bytes& block) {
    return samples::verdict(unseal(block, block_kind::table));
}

TEST(crc32c, gives_the_published_check_values) {
    crc32c nine;
    nine.update(std::as_bytes(std::span("123456789", 9)));
    EXPECT_EQ(nine.value(), 0xe3069283U);
    EXPECT_EQ(crc32c{}.value(), 0U);
    // RFC 3720, B.4: 32 bytes of zeros, of ones, and counting up.
    crc32c zeros;
    zeros.update(bytes(32));
    EXPECT_EQ(zeros.value(), 0x8a9136aaU);
    crc32c ones;
    ones.update(bytes(32, std::byte{0xff}));
    EXPECT_EQ(ones.value(), 0x62a8ab43U);
    crc32c rising;
    rising.update(samples::payload(32, 0));
    EXPECT_EQ(rising.value(), 0x46dd794eU);
}

TEST(crc32c, gives_the_same_however_the_bytes_are_cut) {
    const bytes whole = samples::payload(300);
    crc32c once;
    once.update(whole);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        crc32c twice;
        twice.update(std::span(whole).first(cut));
        twice.update(std::span(whole).subspan(cut));
        ASSERT_EQ(twice.value(), once.value()) << cut;
    }
}

TEST(envelope, comes_back_as_it_was_sealed) {
    for (const auto kind :
         {block_kind::superblock, block_kind::table, block_kind::quorum, block_kind::batch}) {
        envelope fields = sample_fields();
        fields.kind = kind;
        bytes block(512, std::byte{0x5a});
        seal(block, fields);
        const auto found = unseal(block, kind);
        ASSERT_TRUE(found);
        EXPECT_EQ(*found, fields);
        EXPECT_TRUE(std::all_of(block.begin() + envelope_bytes, block.end(),
                                [](std::byte b) { return b == std::byte{0x5a}; }));
    }
}

TEST(envelope, may_lie_in_a_longer_buffer) {
    bytes block = sample_block();
    block.resize(4096, std::byte{0xff});
    EXPECT_EQ(unsealed(block), "accepted");
}

TEST(envelope, is_never_taken_for_another_kind) {
    const block_kind kinds[] = {block_kind::superblock, block_kind::table, block_kind::quorum,
                                block_kind::batch};
    for (const auto written : kinds) {
        envelope fields = sample_fields();
        fields.kind = written;
        bytes block(512);
        seal(block, fields);
        for (const auto read : kinds) {
            EXPECT_EQ(samples::verdict(unseal(block, read)),
                      read == written ? "accepted" : "bad_magic");
        }
    }
}

TEST(envelope, tells_a_block_that_was_never_written) {
    EXPECT_EQ(unsealed(bytes(4096)), "empty_block");
    EXPECT_EQ(unsealed(bytes(envelope_bytes)), "empty_block");
    EXPECT_EQ(unsealed(bytes(envelope_bytes - 1)), "truncated");
    EXPECT_EQ(unsealed(bytes(4096, std::byte{0xff})), "bad_magic");
}

TEST(envelope, rejects_every_single_bit_flip) {
    const auto counted = samples::flip_every_bit(sample_block(), 0, 512, unsealed);
    // A flip in the length (512) makes it 0, or longer than the block.
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 31},
                                     {"torn", 512 * 8 - 112}};
    EXPECT_EQ(counted, expected);
}

TEST(envelope, rejects_every_truncation) {
    const auto counted = samples::truncate_everywhere(sample_block(), unsealed);
    EXPECT_EQ(counted, (samples::tally{{"truncated", 512}}));
}

TEST(envelope, tells_another_version_even_with_a_right_checksum) {
    for (const std::uint16_t version : std::vector<std::uint16_t>{0, 2, 3, 256, 65535}) {
        EXPECT_EQ(unsealed(samples::with(sample_block(), 8, version)), "other_version");
    }
}

TEST(envelope, takes_no_length_on_trust) {
    bytes block = sample_block();
    for (const std::uint32_t length : {0U, 1U, 8U, 64U, 95U}) {
        EXPECT_EQ(unsealed(samples::with(block, 12, length)), "malformed") << length;
    }
    for (const std::uint32_t length : {96U, 97U, 511U}) {
        EXPECT_EQ(unsealed(samples::with(block, 12, length)), "torn") << length;
    }
    for (const std::uint32_t length : {513U, 4096U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
        EXPECT_EQ(unsealed(samples::with(block, 12, length)), "truncated") << length;
    }
}

TEST(envelope, keeps_the_room_for_an_authentication_tag_zero) {
    for (std::size_t at = samples::tag_at + 4; at < envelope_bytes; ++at) {
        bytes block = sample_block();
        block[at] = std::byte{1};
        EXPECT_EQ(unsealed(block), "torn") << at;
    }
}

TEST(envelope, keeps_reserved_bytes_zero) {
    for (std::size_t at = 56; at < 64; ++at) {
        EXPECT_EQ(unsealed(samples::with(sample_block(), at, std::uint8_t{1})), "malformed") << at;
    }
}

TEST(envelope, tells_foreign_from_misplaced) {
    const auto found = unseal(sample_block(), block_kind::table);
    ASSERT_TRUE(found);
    const std::uint64_t place = found->place;
    EXPECT_FALSE(check_identity(*found, samples::cluster, 3, place));
    EXPECT_EQ(check_identity(*found, samples::other_cluster, 3, place), errc::foreign);
    EXPECT_EQ(check_identity(*found, samples::cluster, 2, place), errc::misplaced);
    EXPECT_EQ(check_identity(*found, samples::cluster, 3, place + 4096), errc::misplaced);
    EXPECT_EQ(check_identity(*found, samples::other_cluster, 2, 0), errc::foreign);
}

TEST(envelope, shows_its_stamp_unchecked) {
    bytes block = sample_block();
    block.back() ^= std::byte{1};
    EXPECT_EQ(peek_stamp(block), (block_stamp{0x1122334455667788, 0x99aabbccddeeff00}));
    EXPECT_EQ(peek_stamp(std::span(block).first(envelope_bytes - 1)), block_stamp{});
    EXPECT_EQ(peek_stamp({}), block_stamp{});
}

TEST(envelope_death, refuses_to_seal_a_block_of_another_length) {
    bytes block(512);
    EXPECT_DEATH(seal(block, sample_fields(4096)), "assertion failed");
}

}  // namespace
}  // namespace diskhb::format
