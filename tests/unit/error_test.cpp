// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/error.hpp"

#include <gtest/gtest.h>

#include <map>

namespace diskhb {
namespace {

// Name and number of every error: both are relied on outside of the program.
const std::map<std::string, std::pair<errc, int>> every_error = {
    {"empty_block", {errc::empty_block, 1}},
    {"bad_magic", {errc::bad_magic, 2}},
    {"other_version", {errc::other_version, 3}},
    {"truncated", {errc::truncated, 4}},
    {"torn", {errc::torn, 5}},
    {"foreign", {errc::foreign, 6}},
    {"misplaced", {errc::misplaced, 7}},
    {"malformed", {errc::malformed, 8}},
    {"stale", {errc::stale, 9}},
    {"lapped", {errc::lapped, 10}},
    {"full", {errc::full, 20}},
    {"too_long", {errc::too_long, 21}},
    {"window_shut", {errc::window_shut, 22}},
    {"no_such_node", {errc::no_such_node, 23}},
    {"not_reachable", {errc::not_reachable, 24}},
    {"timed_out", {errc::timed_out, 25}},
    {"closed", {errc::closed, 26}},
    {"not_joined", {errc::not_joined, 27}},
    {"slot_in_use", {errc::slot_in_use, 40}},
    {"slot_stolen", {errc::slot_stolen, 41}},
    {"volume_changed", {errc::volume_changed, 42}},
    {"wrong_cluster", {errc::wrong_cluster, 43}},
    {"io_failed", {errc::io_failed, 44}},
    {"same_volume", {errc::same_volume, 45}},
    {"other_measures", {errc::other_measures, 46}},
};

TEST(error, keeps_its_name_and_number) {
    for (const auto& [name, value] : every_error) {
        EXPECT_EQ(error_name(value.first), name);
        EXPECT_EQ(static_cast<int>(value.first), value.second) << name;
    }
}

TEST(error, says_one_sentence_of_its_own) {
    std::map<std::string, std::string> seen;
    for (const auto& [name, value] : every_error) {
        const boost::system::error_code code = value.first;
        EXPECT_STREQ(code.category().name(), "diskhb");
        const std::string message = code.message();
        EXPECT_TRUE(message.size() > 10 && message.back() == '.') << name;
        EXPECT_TRUE(seen.emplace(message, name).second) << name << " repeats " << seen[message];
        char buffer[8];
        EXPECT_EQ(code.message(buffer, sizeof buffer), message);
    }
}

TEST(error, that_is_not_known_is_called_so) {
    for (const int value : {0, 11, 19, 28, 47, -1}) {
        EXPECT_STREQ(error_name(static_cast<errc>(value)), "unknown") << value;
        EXPECT_EQ(error_category().message(value), "Unknown error.");
    }
}

TEST(setup_error, carries_its_line_and_exit_code) {
    const setup_error error(exit_in_use, "the volume is mounted");
    EXPECT_EQ(error.exit_code(), 7);
    EXPECT_STREQ(error.what(), "the volume is mounted");
}

}  // namespace
}  // namespace diskhb
