// SPDX-License-Identifier: BSD-3-Clause
#include "format/quorum_block.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

const geometry volume = samples::measures();

bytes sample_block() { return samples::quorum_block_of(volume, samples::quorum()); }

// The verdict, and for what was accepted that it is what the header promises.
std::string decoded(const bytes& block) {
    const auto content = decode_quorum(block, volume, samples::cluster, samples::slot);
    if (content) {
        EXPECT_EQ(content->node_id, samples::slot + 1U);
        EXPECT_NE(content->incarnation, 0U);
        EXPECT_NE(content->sequence, 0U);
        EXPECT_TRUE(content->ring_members.fits(volume.slots));
        EXPECT_TRUE(content->value.members.fits(volume.slots));
        EXPECT_EQ(content->granting == grant_state::none, content->value.epoch == 0);
    }
    return samples::verdict(content);
}

template <class Edit>
std::string verdict_of(const Edit& edit) {
    bytes block = sample_block();
    edit(block);
    samples::fix_checksum(block);
    return decoded(block);
}

TEST(quorum_block, comes_back_as_it_was_written) {
    for (const std::uint32_t block_bytes : {4096U, 65536U}) {
        for (const std::uint16_t slots : {std::uint16_t{4}, slots_most(block_bytes)}) {
            const geometry other = samples::measures(block_bytes, slots);
            quorum_block content = samples::quorum();
            content.echoes[slots - 1U] = {7, 8};
            content.ring_members.set(static_cast<slot_index>(slots - 1));
            content.value.members = content.ring_members;
            const auto back = decode_quorum(samples::quorum_block_of(other, content), other,
                                            samples::cluster, samples::slot);
            ASSERT_TRUE(back);
            EXPECT_EQ(*back, content);
        }
    }
}

TEST(quorum_block, comes_back_in_every_state_that_a_node_can_be_in) {
    quorum_block content;
    content.node_id = samples::slot + 1;
    content.incarnation = 1;
    content.sequence = 1;
    for (const auto state :
         {quorum_state::starting, quorum_state::running, quorum_state::stopped}) {
        content.state = state;
        EXPECT_EQ(decoded(samples::quorum_block_of(volume, content)), "accepted");
    }
    // A ballot of its own that has been claimed, and one that was left for a higher one of another.
    content.value = {samples::slot + slots_max, {1, 2}, {}};
    content.joined = {content.value.epoch, 1};
    content.granting = grant_state::claimed;
    EXPECT_EQ(decoded(samples::quorum_block_of(volume, content)), "accepted");
    content.granting = grant_state::revoked;
    content.joined = {content.value.epoch + 1, 9};
    EXPECT_EQ(decoded(samples::quorum_block_of(volume, content)), "accepted");
}

TEST(quorum_block, rejects_every_single_bit_flip) {
    const auto counted = samples::flip_every_bit(sample_block(), 0, 4096, decoded);
    const samples::tally expected = {{"bad_magic", 64},
                                     {"other_version", 16},
                                     {"malformed", 1},
                                     {"truncated", 31},
                                     {"torn", 4096 * 8 - 112}};
    EXPECT_EQ(counted, expected);
}

TEST(quorum_block, rejects_every_truncation) {
    const auto counted = samples::truncate_everywhere(sample_block(), decoded);
    EXPECT_EQ(counted, (samples::tally{{"truncated", 4096}}));
}

TEST(quorum_block, keeps_its_promises_whatever_a_byte_is_set_to) {
    const auto counted = samples::set_every_value(sample_block(), 96, 288, decoded);
    EXPECT_GT(counted.at("accepted"), 0);
    EXPECT_GT(counted.at("malformed"), 0);
    EXPECT_EQ(counted.size(), 2U);
}

// A device may write the sectors of a block in any order and stop anywhere between them.
TEST(quorum_block, rejects_every_mixture_of_two_writes) {
    quorum_block later = samples::quorum(78);
    later.granting = grant_state::revoked;
    later.vote = vote_state::no;
    later.echoes[3].sequence = 999;
    const bytes older = sample_block();
    const bytes newer = samples::quorum_block_of(volume, later);
    for (std::ptrdiff_t cut = 0; cut <= 4096; ++cut) {
        bytes mixed = newer;
        std::copy(older.begin() + cut, older.end(), mixed.begin() + cut);
        if (mixed != older && mixed != newer) {
            ASSERT_EQ(decoded(mixed), "torn") << cut;
        }
    }
}

TEST(quorum_block, tells_why_it_is_not_the_one_expected) {
    const bytes block = sample_block();
    const auto verdict = [&](const bytes& from, const uuid& cluster, slot_index slot) {
        return samples::verdict(decode_quorum(from, volume, cluster, slot));
    };
    EXPECT_EQ(verdict(block, samples::cluster, samples::slot), "accepted");
    EXPECT_EQ(verdict(block, samples::other_cluster, samples::slot), "foreign");
    EXPECT_EQ(verdict(block, samples::cluster, 0), "misplaced");
    EXPECT_EQ(verdict(bytes(4096), samples::cluster, samples::slot), "empty_block");
    // A block of the node table in its place, and its own at the place of that.
    EXPECT_EQ(verdict(samples::table_block(volume, samples::table()), samples::cluster, 1),
              "bad_magic");
    EXPECT_EQ(decoded(samples::with(block, 48, volume.table_offset(samples::slot))), "misplaced");
}

TEST(quorum_block, refuses_fields_that_do_not_fit_together) {
    const auto with = [](std::size_t at, auto value) {
        return verdict_of([&](bytes& block) { store(std::span(block), at, value); });
    };
    EXPECT_EQ(with(32, std::uint64_t{0}), "malformed");                 // incarnation
    EXPECT_EQ(with(40, std::uint64_t{0}), "malformed");                 // sequence
    EXPECT_EQ(with(96, std::uint32_t{1}), "malformed");                 // node id
    EXPECT_EQ(with(102, std::uint16_t{3}), "malformed");                // echoes
    EXPECT_EQ(with(128, std::uint64_t{16}), "malformed");               // a member without slot
    EXPECT_EQ(with(152, std::uint64_t{0}), "malformed");                // joined by half
    EXPECT_EQ(with(160, std::uint64_t{1}), "malformed");                // granted, not accepted
    EXPECT_EQ(with(168, std::uint64_t{640}), "malformed");              // drawn by slot 0
    EXPECT_EQ(with(176, std::uint32_t{1}), "malformed");                // another holder
    EXPECT_EQ(with(200, std::uint64_t{1}), "malformed");                // member 65
    EXPECT_EQ(with(272, std::uint64_t{1}), "malformed");                // reserved
    EXPECT_EQ(with(144, std::uint64_t{641 + slots_max}), "malformed");  // joined a higher one
}

TEST(device_identity, differs_only_within_one_domain) {
    const device_identity known{1, 2};
    EXPECT_TRUE(known.is_other_than({1, 3}));
    EXPECT_FALSE(known.is_other_than({1, 2}));
    EXPECT_FALSE(known.is_other_than({2, 3}));
    EXPECT_FALSE(known.is_other_than({}));
    EXPECT_FALSE(device_identity{}.is_other_than({0, 3}));
}

}  // namespace
}  // namespace diskhb::format
