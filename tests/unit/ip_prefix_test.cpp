// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/ip_prefix.hpp"

#include <gtest/gtest.h>

namespace diskhb::daemon {
namespace {

bool contains(const std::string& prefix, const std::string& address) {
    return parse_ip_prefix(prefix)->contains(*corosync::parse_ip_address(address));
}

TEST(ip_prefix, contains_what_has_its_first_bits) {
    EXPECT_TRUE(contains("10.1.0.0/16", "10.1.255.255"));
    EXPECT_FALSE(contains("10.1.0.0/16", "10.2.0.0"));
    EXPECT_TRUE(contains("10.1.2.128/25", "10.1.2.129"));
    EXPECT_FALSE(contains("10.1.2.128/25", "10.1.2.127"));
    EXPECT_TRUE(contains("10.1.2.3/32", "10.1.2.3"));
    EXPECT_FALSE(contains("10.1.2.3/32", "10.1.2.2"));
    EXPECT_TRUE(contains("fc00::/7", "fd12::1"));
    EXPECT_FALSE(contains("fd00:1::/32", "fd00:2::1"));
}

TEST(ip_prefix, of_no_bits_contains_all_of_its_ip_version_and_nothing_else) {
    EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
    EXPECT_TRUE(contains("::/0", "2001:db8::1"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    EXPECT_FALSE(contains("::/0", "10.0.0.1"));
}

TEST(ip_prefix, is_read_and_written_alike) {
    for (const auto* text : {"0.0.0.0/0", "10.1.0.0/16", "10.1.2.3/32", "::/0", "fd00:1::/33"}) {
        EXPECT_EQ(to_string(*parse_ip_prefix(text)), text);
    }
}

TEST(ip_prefix, is_not_read_from_anything_else) {
    for (const auto* text : {"", "/", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/-1",
                             "10.1.0.0/16 ", "10.1.0.1/16", "host/8", "fd00::/129", "fd00::1/64",
                             "10.0.0.0/8/8", "10.0.0.0/0x8", "10.0.0.0/999"}) {
        EXPECT_FALSE(parse_ip_prefix(text)) << text;
    }
}

}  // namespace
}  // namespace diskhb::daemon
