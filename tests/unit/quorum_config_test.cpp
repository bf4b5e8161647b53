// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config_error.hpp"

namespace diskhb::quorum {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* four_nodes = R"(
totem {
    cluster_name: tide
    token: 3000
}
nodelist {
    node {
        name: n1
        nodeid: 1
        ring0_addr: 192.0.2.1
    }
    node {
        name: n2
        nodeid: 2
        ring0_addr: 192.0.2.2
    }
    node {
        name: n3
        nodeid: 3
        ring0_addr: 192.0.2.3
    }
    node {
        name: n4
        nodeid: 4
        ring0_addr: 192.0.2.4
    }
}
quorum {
    provider: corosync_votequorum
    device {
        model: disk
        votes: 3
        timeout: 10000
        sync_timeout: 30000
    }
}
)";
constexpr const char* smallest = "[quorum]\nvolumes = [\"/dev/q\"]\n";

quorum_host host_with(const std::string& conf, const std::string& sbd = "") {
    return {{[conf](const std::string& path) { return corosync::parse_corosync_conf(conf, path); },
             [] {
                 return corosync::host_identity{"n1", {}};
             },
             [](const std::string& text, corosync::ip_preference) {
                 return corosync::parse_ip_address(text);
             }},
            [sbd] { return sbd; }};
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

quorum_config parse(const std::string& text = smallest, const std::string& conf = four_nodes,
                    const std::string& sbd = "") {
    return parse_quorum_config(text, "d.toml", host_with(conf, sbd));
}

// Why it cannot be read.
std::string error_of(const std::string& text, const std::string& conf = four_nodes) {
    return test::config_error_of([&] { parse(text, conf); });
}
std::string error_of_line(const std::string& line) { return error_of(smallest + line + "\n"); }

// The first reason not to start.
std::string refusal_of(const std::string& conf, const std::string& text = smallest,
                       const std::string& sbd = "") {
    const auto report = check(parse(text, conf, sbd));
    return report.errors.empty() ? "no error" : report.errors.front();
}
std::string refusal_with(const std::string& what, const std::string& with) {
    return refusal_of(replaced(four_nodes, what, with));
}

TEST(quorum_config, fills_in_everything_from_corosync_conf) {
    const auto config = parse();
    EXPECT_EQ(config.cluster_name, "tide");
    EXPECT_EQ(config.node_id, 1U);
    EXPECT_EQ(config.nodes.size(), 4U);
    EXPECT_EQ(config.control_socket, quorum_socket_default);
    EXPECT_EQ(config.how, mode::last_man_standing);
    EXPECT_EQ(config.device.votes, 3U);
    EXPECT_EQ(config.times.device_timeout, milliseconds(10000));
    EXPECT_EQ(config.times.sync_timeout, milliseconds(30000));
    // 3000 and 650 for each node above two, and 1.2 times that for consensus.
    EXPECT_EQ(config.times.detection, milliseconds(4300 + 5160));
    EXPECT_GT(config.times.take, milliseconds(13000));
    EXPECT_FALSE(config.times.watchdog);
    EXPECT_EQ(config.heuristics.mode, heuristics_config::when::off);
    EXPECT_THAT(check(config).errors, IsEmpty());
}

TEST(quorum_config, takes_the_defaults_of_corosync_where_it_is_silent) {
    const auto conf = replaced(four_nodes,
                               "        votes: 3\n        timeout: 10000\n        sync_timeout: "
                               "30000\n",
                               "");
    const auto config = parse(smallest, conf);
    EXPECT_EQ(config.device.votes, 3U);
    EXPECT_EQ(config.times.device_timeout, milliseconds(10000));
    EXPECT_EQ(config.times.sync_timeout, milliseconds(30000));
}

TEST(quorum_config, needs_a_quorum_table) {
    EXPECT_THAT(error_of("[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n"),
                HasSubstr("there is no table [quorum]"));
}

TEST(quorum_config, takes_the_rings_volumes_when_none_are_named) {
    EXPECT_THAT(parse("[quorum]\n[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n").volumes,
                ElementsAre("/dev/x"));
}

TEST(quorum_config, refuses_an_even_number_of_volumes) {
    EXPECT_THAT(error_of("[quorum]\nvolumes = [\"/dev/a\", \"/dev/b\"]\n"),
                HasSubstr("d.toml:2:11: volumes: these are 2 volumes; there must be 1, "
                          "3 or 5"));
    EXPECT_THAT(error_of("[quorum]\nvolumes = []\n"), HasSubstr("these are 0 volumes"));
    EXPECT_THAT(error_of("[quorum]\n[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n[[ring]]\nlink = "
                         "2\nvolume = \"/dev/y\"\n"),
                HasSubstr("the rings have 2 volumes"));
}

TEST(quorum_config, refuses_a_volume_named_twice_and_a_relative_path) {
    EXPECT_THAT(error_of("[quorum]\nvolumes = [\"/dev/a\", \"/dev/b\", \"/dev/a\"]\n"),
                HasSubstr("names /dev/a twice"));
    EXPECT_THAT(error_of("[quorum]\nvolumes = [\"q\"]\n"), HasSubstr("must be an absolute path"));
}

TEST(quorum_config, refuses_volumes_that_are_replicated_between_sites) {
    const std::string two_sites =
        "[[ring]]\nlink = 1\nsend_volume = \"/dev/send\"\ncopy_target = \"/dev/far\"\n"
        "[[ring.receive]]\nnodes = [2]\nvolume = \"/dev/copy\"\n";
    for (const std::string path : {"/dev/send", "/dev/far", "/dev/copy", "/dev/../dev/copy"}) {
        EXPECT_THAT(error_of("[quorum]\nvolumes = [\"" + path + "\"]\n" + two_sites),
                    HasSubstr("is a send volume of a ring, or a copy of one"))
            << path;
    }
    EXPECT_THAT(error_of("[quorum]\n" + two_sites), HasSubstr("the rings have 0 volumes"));
}

TEST(quorum_config, reads_a_tie_breaker_of_each_kind) {
    EXPECT_EQ(parse(std::string(smallest) + "tie_breaker = \"highest\"\n").ties.by,
              tie_breaker::rule::highest);
    const auto list = parse(std::string(smallest) + "tie_breaker = [3, 1]\n").ties;
    EXPECT_EQ(list.by, tie_breaker::rule::list);
    EXPECT_THAT(list.list, ElementsAre(2, 0));
    EXPECT_THAT(error_of_line("tie_breaker = \"first\""), HasSubstr("\"lowest\", \"highest\""));
    EXPECT_THAT(error_of_line("tie_breaker = [9]"), HasSubstr("has no node with id 9"));
    EXPECT_THAT(error_of_line("tie_breaker = [1, 1]"), HasSubstr("names node 1 twice"));
    EXPECT_THAT(error_of_line("tie_breaker = [\"n1\"]"), HasSubstr("must hold whole numbers"));
}

TEST(quorum_config, names_the_line_of_a_wrong_value) {
    EXPECT_THAT(error_of_line("mode = \"both\""), HasSubstr("d.toml:3:8: mode = 'both'"));
    EXPECT_THAT(error_of_line("score = -1"), HasSubstr("out of its range 0 .. 1000000"));
    EXPECT_THAT(error_of_line("interval_ms = \"fast\""), HasSubstr("must be a whole number"));
    EXPECT_THAT(error_of_line("speed = 9"), HasSubstr("'speed' is not a key of [quorum]"));
    EXPECT_THAT(error_of_line("socket = \"q.sock\""), HasSubstr("must be an absolute path"));
}

TEST(quorum_config, refuses_node_ids_beyond_the_slots_of_any_volume) {
    EXPECT_THAT(error_of(smallest, replaced(four_nodes, "nodeid: 4", "nodeid: 129")),
                HasSubstr("node id 129: a volume has slots for node ids 1 .. 128"));
}

TEST(quorum_config, refuses_another_provider_or_model) {
    EXPECT_THAT(refusal_with("    provider: corosync_votequorum\n", ""),
                HasSubstr("quorum.provider is ''"));
    EXPECT_THAT(refusal_with("model: disk", "model: net"),
                HasSubstr("quorum.device.model is 'net': set it to disk"));
}

TEST(quorum_config, refuses_what_corosync_does_not_take_beside_a_device) {
    EXPECT_THAT(refusal_with("    device {", "    two_node: 1\n    device {"),
                HasSubstr("quorum.two_node is set"));
    EXPECT_THAT(refusal_with("    device {", "    auto_tie_breaker: 1\n    device {"),
                HasSubstr("quorum.auto_tie_breaker is set"));
    EXPECT_EQ(refusal_with("    device {", "    two_node: 0\n    device {"), "no error");
}

TEST(quorum_config, refuses_nodes_with_other_than_one_vote) {
    EXPECT_THAT(refusal_with("nodeid: 2\n", "nodeid: 2\n        quorum_votes: 3\n"),
                HasSubstr("quorum_votes of node 2 is not 1"));
}

TEST(quorum_config, refuses_votes_that_do_not_fit_the_mode_and_says_which_do) {
    EXPECT_THAT(refusal_with("votes: 3", "votes: 1"),
                HasSubstr("mode last-man-standing with 4 nodes needs quorum.device.votes = 3, not "
                          "1: expected votes 7, quorum 4"));
    EXPECT_THAT(refusal_of(four_nodes, std::string(smallest) + "mode = \"tie-breaker\"\n"),
                HasSubstr("needs quorum.device.votes = 1, not 3"));
}

TEST(quorum_config, refuses_expected_votes_that_do_not_add_up) {
    EXPECT_THAT(refusal_with("    device {", "    expected_votes: 5\n    device {"),
                HasSubstr("quorum.expected_votes is 5, but 4 nodes and a device of 3 votes have "
                          "7"));
}

TEST(quorum_config, refuses_times_that_break_the_relation) {
    EXPECT_THAT(refusal_of(four_nodes, std::string(smallest) + "take_ms = 5000\n"),
                HasSubstr("d.toml: [quorum] take = 5000 ms is too short"));
    EXPECT_THAT(refusal_of(four_nodes, std::string(smallest) + "drop_ms = 600\n"),
                HasSubstr("drop = 600 ms is less than 4 intervals"));
}

TEST(quorum_config, refuses_a_sync_timeout_that_sbd_would_distrust) {
    EXPECT_THAT(refusal_of(four_nodes, smallest, "SBD_WATCHDOG_TIMEOUT=\"15\"\n"),
                HasSubstr("SBD_WATCHDOG_TIMEOUT = 15000 ms"));
    EXPECT_EQ(refusal_of(four_nodes, smallest, "SBD_WATCHDOG_TIMEOUT=40\n"), "no error");
    // Its own default is 5 s.
    EXPECT_THAT(refusal_of(four_nodes, smallest, "SBD_DEVICE=/dev/x\n"), HasSubstr("5000 ms"));
}

TEST(quorum_config, reads_heuristics_without_a_shell) {
    const auto config = parse(std::string(smallest) +
                              "[quorum.heuristics]\nmode = \"on\"\ninterval_ms = 4000\n"
                              "[quorum.heuristics.commands]\n"
                              "gateway = '/bin/ping -c 1 \"a b\" $HOME'\n");
    const auto& heuristics = config.heuristics;
    EXPECT_EQ(heuristics.mode, heuristics_config::when::on);
    EXPECT_EQ(heuristics.interval, milliseconds(4000));
    EXPECT_EQ(heuristics.timeout, milliseconds(5000));
    EXPECT_EQ(heuristics.sync_timeout, milliseconds(15000));
    ASSERT_EQ(heuristics.commands.size(), 1U);
    EXPECT_EQ(heuristics.commands[0].name, "gateway");
    EXPECT_THAT(heuristics.commands[0].words, ElementsAre("/bin/ping", "-c", "1", "a b", "$HOME"));
}

TEST(quorum_config, refuses_heuristics_that_could_not_run) {
    EXPECT_THAT(error_of_line("[quorum.heuristics]\nmode = \"on\""),
                HasSubstr("there is no command"));
    EXPECT_THAT(error_of_line("[quorum.heuristics]\nmode = \"maybe\""),
                HasSubstr("\"off\", \"sync\" or \"on\""));
    EXPECT_THAT(error_of_line("[quorum.heuristics]\ntimeout_ms = 0"), HasSubstr("must not be 0"));
    EXPECT_THAT(error_of_line("[quorum.heuristics.commands]\nx = \"ping\""),
                HasSubstr("must begin with the absolute path"));
}

TEST(quorum_config, describes_what_the_daemon_would_do) {
    const auto text = describe(parse());
    EXPECT_THAT(text, HasSubstr("4 nodes, 3 device votes, quorum is 4 of 7"));
    EXPECT_THAT(text, HasSubstr("then the lowest node id"));
    EXPECT_THAT(text, HasSubstr("take "));
}

}  // namespace
}  // namespace diskhb::quorum
