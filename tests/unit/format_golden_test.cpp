// SPDX-License-Identifier: BSD-3-Clause
// The bytes on the volume, once and for all: a change of the format by accident fails here. These
// were made by a program that shares nothing with ours but doc/format.md. A change on purpose needs
// another format_version.
#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

// Compares with the hexadecimal text; what follows it must be zero.
void expect_bytes(const bytes& block, const std::string& golden) {
    ASSERT_EQ(block.size(), 4096U);
    EXPECT_EQ(samples::hex(std::span(block).first(golden.size() / 2)), golden);
    EXPECT_TRUE(all_zero(std::span(block).subspan(golden.size() / 2)));
}

TEST(golden_bytes, of_a_superblock) {
    superblock content;
    content.cluster = samples::cluster;
    content.cluster_name = "production";
    content.measures = samples::measures();
    content.formatted_at_s = 1700000000;
    bytes block(4096);
    encode_superblock(block, content, 0);
    expect_bytes(block,
                 "4449534b484253420100000000100000101112131415161718191a1b1c1d1e1f"
                 "0000000000000000000000000000000000000000000000000000000000000000"
                 "cb63013c00000000000000000000000000000000000000000000000000000000"
                 "0010000004000a00000004000000000000000040000000000000000000000000"
                 "000000000000000000f153650000000070726f64756374696f6e000000000000");
}

TEST(golden_bytes, of_a_table_block) {
    expect_bytes(samples::table_block(samples::measures(), samples::table()),
                 "4449534b48424e540100010000100000101112131415161718191a1b1c1d1e1f"
                 "08070605040302014d0000000000000000200000000000000000000000000000"
                 "4ebf330000000000000000000000000000000000000000000000000000000000"
                 "020000000100040015cd5b070000000000200000000000000a00000000000000"
                 "00a00000000000001e0000000000000058000000030000000000000000000000"
                 "a000000000000000b000000000000000c000000000000000d000000000000000"
                 "a100000000000000b100000000000000c100000000000000d100000000000000"
                 "a200000000000000b200000000000000c200000000000000d200000000000000"
                 "a300000000000000b300000000000000c300000000000000d300000000000000"
                 "0500000002000100e90300000000000001020304050000000000000002000100"
                 "ea030000000000002000000002000100eb03000000000000030405060708090a"
                 "0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122");
}

TEST(golden_bytes, of_a_batch) {
    expect_bytes(samples::batch(samples::measures(), samples::identity()),
                 "4449534b484242410100010000100000101112131415161718191a1b1c1d1e1f"
                 "0807060504030201f40100000000000000200000000000000000000000000000"
                 "33cd378300000000000000000000000000000000000000000000000000000000"
                 "0300000058000000001000000000000000000000000000000000000000000000"
                 "0500000002000100e90300000000000001020304050000000000000002000100"
                 "ea030000000000002000000002000100eb03000000000000030405060708090a"
                 "0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122");
}

TEST(golden_bytes, of_a_padding_batch) {
    bytes block(4096, std::byte{0xee});
    seal_padding(block, samples::measures(), samples::identity(12288), 503);
    expect_bytes(block,
                 "4449534b484242410100010000100000101112131415161718191a1b1c1d1e1f"
                 "0807060504030201f70100000000000000300000000000000000000000000000"
                 "d1d974d900000000000000000000000000000000000000000000000000000000"
                 "000000000000000000d0030000000000");
}

}  // namespace
}  // namespace diskhb::format
