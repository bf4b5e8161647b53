// SPDX-License-Identifier: BSD-3-Clause
// Send and receive volumes in diskhb.toml: what is understood, and one clear line for each misuse.
#include "plugin/ring/volume_roles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config_error.hpp"
#include "plugin/daemon/cluster_config.hpp"

namespace diskhb::daemon {
namespace {

using testing::HasSubstr;

constexpr const char* two_sites = R"(send_volume = "/dev/ours"
shared_with = [1, 2]
copy = "builtin"
copy_target = "/dev/far"
[[receive]]
nodes = [3, 4]
volume = "/dev/theirs"
)";

// The table of a ring on node 1 of four, at the top level for short.
volume_roles parse(const std::string& text) {
    static const std::string file = "d.toml";
    const auto table = toml::parse(text, file);
    toml_section section(table, "[[ring]]", file);
    auto roles = read_volume_roles(section, 1, {2, 3, 4});
    section.refuse_unknown_keys();
    return roles;
}

std::string error_of(const std::string& text) {
    return test::config_error_of([&] { parse(text); });
}

// two_sites with one piece replaced.
std::string error_with(const std::string& what, const std::string& with) {
    std::string text = two_sites;
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return error_of(text.replace(at, what.size(), with));
}

TEST(volume_roles, takes_one_volume_for_all) {
    const auto roles = parse("volume = \"/dev/x\"\n");
    EXPECT_TRUE(roles.is_shared);
    EXPECT_EQ(roles.send_volume, "/dev/x");
    EXPECT_TRUE(roles.receive_from.empty());
    EXPECT_EQ(roles.copy.mode, copy_mode::none);
    EXPECT_EQ(describe(roles), "");
}

TEST(volume_roles, takes_a_send_volume_and_receive_volumes) {
    const auto roles = parse(two_sites);
    EXPECT_FALSE(roles.is_shared);
    EXPECT_EQ(roles.send_volume, "/dev/ours");
    ASSERT_EQ(roles.receive_from.size(), 1U);
    EXPECT_EQ(roles.receive_from[0].path, "/dev/theirs");
    EXPECT_EQ(roles.receive_from[0].nodes, (std::vector<std::uint32_t>{3, 4}));
    EXPECT_EQ(roles.copy.mode, copy_mode::builtin);
    EXPECT_EQ(roles.copy.target, "/dev/far");
    EXPECT_EQ(roles.copy.rate_bytes_per_s, 0U);
    EXPECT_EQ(volume_paths(roles),
              (std::vector<std::string>{"/dev/ours", "/dev/theirs", "/dev/far"}));
    EXPECT_THAT(describe(roles), HasSubstr("nodes 3, 4 are read from /dev/theirs"));
    EXPECT_THAT(describe(roles), HasSubstr("copied to /dev/far by diskhb-copyd"));
}

TEST(volume_roles, takes_a_limit_of_the_copys_rate) {
    const auto roles = parse("copy_rate_mib_s = 2.5\n" + std::string(two_sites));
    EXPECT_EQ(roles.copy.rate_bytes_per_s, 2'621'440U);
}

TEST(volume_roles, takes_a_copy_command) {
    std::string text = two_sites;
    text.replace(text.find("\"builtin\""), 9, "\"command\"");
    text.replace(text.find("copy_target = \"/dev/far\""), 24,
                 "copy_command = [\"/sbin/copy\", \"now\"]\ncopy_interval_ms = 50\n"
                 "copy_timeout_ms = 700");
    const auto roles = parse(text);
    EXPECT_EQ(roles.copy.mode, copy_mode::command);
    EXPECT_EQ(roles.copy.command, (std::vector<std::string>{"/sbin/copy", "now"}));
    EXPECT_EQ(roles.copy.interval, std::chrono::milliseconds(50));
    EXPECT_EQ(roles.copy.timeout, std::chrono::milliseconds(700));
    EXPECT_THAT(describe(roles), HasSubstr("/sbin/copy now, every 50 ms"));
}

TEST(volume_roles, takes_storage_that_copies_by_itself) {
    const auto roles = parse(
        "send_volume = \"/a\"\nshared_with = [2]\ncopy = \"storage\"\n"
        "[[receive]]\nnodes = [3]\nvolume = \"/b\"\n"
        "[[receive]]\nnodes = [4]\nvolume = \"/c\"\n");
    EXPECT_EQ(roles.copy.mode, copy_mode::storage);
    EXPECT_EQ(roles.receive_from.size(), 2U);
}

TEST(volume_roles, refuses_send_and_receive_volume_at_one_place) {
    EXPECT_THAT(error_with("/dev/theirs", "/dev/ours"),
                HasSubstr("d.toml:7:10: volume = '/dev/ours': is the send volume: send and "
                          "receive volume are the same place"));
    EXPECT_THAT(error_with("/dev/theirs", "/dev/./ours"), HasSubstr("the same place"));
    // Two names of one device.
    EXPECT_THAT(error_of("send_volume = \"/dev/null\"\nshared_with = [2]\ncopy = \"storage\"\n"
                         "[[receive]]\nnodes = [3, 4]\nvolume = \"/proc/self/root/dev/null\"\n"),
                HasSubstr("the same place"));
}

TEST(volume_roles, refuses_a_peer_without_receive_volume) {
    EXPECT_THAT(error_with("[3, 4]", "[3]"), HasSubstr("node 4 has no receive volume"));
    EXPECT_THAT(error_with("shared_with = [1, 2]", ""), HasSubstr("node 2 has no receive volume"));
}

TEST(volume_roles, refuses_nodes_named_twice_or_unknown_or_our_own) {
    EXPECT_THAT(error_with("[3, 4]", "[3, 4, 2]"), HasSubstr("node 2 is named twice"));
    EXPECT_THAT(error_with("[3, 4]", "[3, 4, 5]"), HasSubstr("node 5 is not in corosync.conf"));
    EXPECT_THAT(error_with("[3, 4]", "[3, 4, 1]"), HasSubstr("node 1 is this node"));
    EXPECT_THAT(error_with("[3, 4]", "[]"), HasSubstr("needs nodes"));
    EXPECT_THAT(error_with("nodes = [3, 4]", ""), HasSubstr("needs nodes"));
    EXPECT_THAT(error_with("[3, 4]", "[0]"), HasSubstr("whole numbers of 1 .. 128"));
    EXPECT_THAT(error_with("[1, 2]", "2"), HasSubstr("must be an array"));
}

TEST(volume_roles, refuses_copy_modes_without_their_keys_and_keys_without_their_mode) {
    EXPECT_THAT(error_with("copy = \"builtin\"", "copy = \"magic\""),
                HasSubstr("\"storage\", \"command\" or \"builtin\""));
    EXPECT_THAT(error_with("copy_target = \"/dev/far\"", ""), HasSubstr("needs copy_target"));
    EXPECT_THAT(error_with("\"builtin\"", "\"command\""),
                HasSubstr("is for copy = \"builtin\" only, and copy is \"command\""));
    EXPECT_THAT(error_with("copy = \"builtin\"\ncopy_target = \"/dev/far\"", "copy = \"command\""),
                HasSubstr("needs copy_command"));
    EXPECT_THAT(error_with("copy = \"builtin\"\ncopy_target = \"/dev/far\"",
                           "copy = \"command\"\ncopy_command = [\"copy\"]"),
                HasSubstr("absolute path"));
    EXPECT_THAT(error_with("copy = \"builtin\"\ncopy_target = \"/dev/far\"", ""),
                HasSubstr("'copy' is missing"));
    EXPECT_THAT(error_with("\"/dev/far\"", "\"/dev/far\"\ncopy_timeout_ms = 5000"),
                HasSubstr("is for copy = \"command\" only"));
    EXPECT_THAT(error_with("\"/dev/far\"", "\"/dev/far\"\ncopy_rate_mib_s = 0"),
                HasSubstr("range 0.1"));
}

TEST(volume_roles, refuses_a_copy_target_that_has_another_role) {
    EXPECT_THAT(error_with("/dev/far", "/dev/ours"), HasSubstr("is the send volume itself"));
    EXPECT_THAT(error_with("/dev/far", "/dev/theirs"), HasSubstr("receives from"));
    EXPECT_THAT(error_with("/dev/far", "far"), HasSubstr("absolute path"));
}

TEST(volume_roles, refuses_roles_beside_a_single_volume) {
    EXPECT_THAT(error_of("volume = \"/a\"\nsend_volume = \"/b\"\n"), HasSubstr("one or the other"));
    EXPECT_THAT(error_of("volume = \"/a\"\ncopy = \"storage\"\n"), HasSubstr("send_volume"));
    EXPECT_THAT(error_of("volume = \"/a\"\nshared_with = [2]\n"), HasSubstr("send_volume"));
    EXPECT_THAT(error_of("volume = \"/a\"\ncopy_target = \"/b\"\n"),
                HasSubstr("copy is not given"));
    EXPECT_THAT(error_of("volume = \"/a\"\n[[receive]]\nnodes = [3]\nvolume = \"/b\"\n"),
                HasSubstr("send_volume"));
    EXPECT_THAT(error_of("send_volume = \"/a\"\nshared_with = [2, 3, 4]\ncopy = \"storage\"\n"),
                HasSubstr("nobody reads a copy"));
}

}  // namespace
}  // namespace diskhb::daemon
