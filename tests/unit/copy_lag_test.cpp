// SPDX-License-Identifier: BSD-3-Clause
// What diskhb measure takes from the status of diskhbd about copies.
#include "tools/copy_lag.hpp"

#include <gtest/gtest.h>

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

json status_of_two_sites() {
    return json::parse(R"({"ok": true, "rings": [
        {"interface": "dhb0", "volume": "/dev/shared", "receive": [],
         "peers": [{"node": 2, "lag_us_p99": 90000, "lag_us_most": 95000}]},
        {"interface": "dhb1", "volume": "/dev/send",
         "receive": [{"nodes": [3, 4], "volume": "/dev/copy"}],
         "peers": [{"node": 2, "lag_us_p99": 70000, "lag_us_most": 80000},
                   {"node": 3, "lag_us_p99": 1200.5, "lag_us_most": 5000},
                   {"node": 4, "lag_us_p99": 900, "lag_us_most": 30000}]}]})");
}

TEST(copy_lag, is_that_of_the_slowest_node_that_is_read_from_a_copy) {
    const auto lag = find_copy_lag(status_of_two_sites(), "/dev/send");
    ASSERT_TRUE(lag);
    EXPECT_EQ(lag->ring, "dhb1");
    EXPECT_EQ(lag->nodes, (std::vector<std::uint32_t>{3, 4}));
    EXPECT_TRUE(lag->unheard.empty());
    EXPECT_EQ(lag->us_p99, 1201U);
    EXPECT_EQ(lag->us_max, 30000U);
}

TEST(copy_lag, finds_nothing_on_a_ring_with_one_volume_or_another_volume) {
    EXPECT_FALSE(find_copy_lag(status_of_two_sites(), "/dev/shared"));
    EXPECT_FALSE(find_copy_lag(status_of_two_sites(), "/dev/copy"));
    EXPECT_FALSE(find_copy_lag(json::object(), "/dev/send"));
}

TEST(copy_lag, names_nodes_that_have_acknowledged_nothing) {
    auto status = status_of_two_sites();
    status["rings"][1]["peers"][1] = {{"node", 3}, {"lag_us_p99", 0}, {"lag_us_most", 0}};
    const auto lag = find_copy_lag(status, "/dev/send");
    ASSERT_TRUE(lag);
    EXPECT_EQ(lag->unheard, std::vector<std::uint32_t>{3});
    EXPECT_EQ(lag->us_max, 30000U);
}

TEST(copy_lag, is_unknown_where_no_daemon_answers) {
    EXPECT_FALSE(ask_copy_lag("/nowhere/diskhbd.sock", "/dev/send"));
}

TEST(copy_lag, bears_an_answer_of_another_version) {
    const auto status = json::parse(R"({"rings": [{"volume": "/dev/send",
        "receive": [{"nodes": "all"}, 7], "peers": [{"node": "n2"}, 5]}]})");
    const auto lag = find_copy_lag(status, "/dev/send");
    ASSERT_TRUE(lag);
    EXPECT_TRUE(lag->nodes.empty());
    EXPECT_EQ(lag->us_max, 0U);
}

}  // namespace
}  // namespace diskhb::tools
