// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/corosync_conf.hpp"

#include <gtest/gtest.h>

#include <string>

#include "config_error.hpp"

namespace diskhb::corosync {
namespace {

constexpr const char* three_nodes = R"(# a comment
totem {
    version: 2
    cluster_name: tide
    crypto_cipher: none
	crypto_hash: none
    interface {
        linknumber: 1
        knet_link_priority: 1
        knet_ping_interval: 1000
        knet_ping_timeout: 4000
    }
    interface {
        linknumber: 0
        knet_link_priority: 10
        mcastport: 5500
    }
}

nodelist {
    node {
        name: n1
        nodeid: 1
        ring0_addr: 192.0.2.1
        ring1_addr: 10.9.1.1
    }
    node {
        name: n2.example.org
        nodeid: 2
        ring0_addr: 192.0.2.2
        ring1_addr: 10.9.1.2
    }
    node {
        nodeid: 3
        ring0_addr: 192.0.2.3
        ring1_addr: 10.9.1.3
    }
}
)";

corosync_conf parse(const std::string& text) { return parse_corosync_conf(text, "c.conf"); }

std::string error_of(const std::string& text) {
    return test::config_error_of([&] { parse(text); });
}

TEST(corosync_conf, reads_nodes_with_ids_names_and_addresses) {
    const auto conf = parse(three_nodes);
    ASSERT_EQ(conf.nodes.size(), 3U);
    EXPECT_EQ(conf.nodes[0].name, "n1");
    EXPECT_EQ(conf.nodes[1].node_id, 2U);
    EXPECT_EQ(conf.nodes[2].name, "");
    EXPECT_EQ(conf.nodes[2].ring_address[1], "10.9.1.3");
    EXPECT_EQ(conf.nodes[2].ring_address[2], "");
    EXPECT_EQ(conf.nodes[0].line, 21U);
    EXPECT_EQ(conf.find_node(2), &conf.nodes[1]);
    EXPECT_EQ(conf.find_node(4), nullptr);
    EXPECT_EQ(conf.totem.cluster_name, "tide");
}

TEST(corosync_conf, numbers_interface_sections_by_linknumber_not_by_position) {
    const auto conf = parse(three_nodes);
    EXPECT_EQ(conf.links[0].priority, 10);
    EXPECT_EQ(conf.links[0].port, 5500);
    EXPECT_EQ(conf.links[1].priority, 1);
    EXPECT_EQ(conf.links[1].port, 5406);
    EXPECT_EQ(conf.links[1].ping_interval_ms, 1000U);
    EXPECT_EQ(conf.links[1].ping_timeout_ms, 4000U);
    EXPECT_TRUE(conf.links[1].timers_given);
    EXPECT_FALSE(conf.links[0].timers_given);
    EXPECT_FALSE(conf.links[2].configured);
    EXPECT_EQ(conf.find("totem.interface.1.knet_ping_timeout"), "4000");
    EXPECT_EQ(conf.find("nodelist.node.1.name"), "n2.example.org");
}

TEST(corosync_conf, computes_the_defaults_of_corosync_for_three_nodes) {
    const auto conf = parse(three_nodes);
    EXPECT_EQ(conf.totem.token_ms, 3650U);
    EXPECT_EQ(conf.totem.consensus_ms, 4380U);
    EXPECT_EQ(conf.totem.token_retransmit_ms, 869U);
    EXPECT_EQ(conf.totem.hold_ms, 685U);
    EXPECT_EQ(conf.totem.join_ms, 50U);
    EXPECT_EQ(conf.totem.knet_pmtud_interval_s, 30U);
    EXPECT_EQ(conf.totem.knet_mtu_bytes, 0U);
    EXPECT_EQ(conf.links[0].ping_timeout_ms, 1825U);
    EXPECT_EQ(conf.links[0].ping_interval_ms, 912U);
    EXPECT_EQ(conf.links[0].pong_count, 2U);
    EXPECT_EQ(conf.links[0].ping_precision, 2048U);
}

TEST(corosync_conf, adds_no_coefficient_for_two_nodes_and_obeys_a_coefficient_of_zero) {
    const std::string two =
        "nodelist {\n node {\n nodeid: 1\n ring0_addr: 10.0.0.1\n }\n node {\n nodeid: 2\n "
        "ring0_addr: 10.0.0.2\n }\n";
    EXPECT_EQ(parse(two + "}\n").totem.token_ms, 3000U);
    const std::string third = " node {\n nodeid: 3\n ring0_addr: 10.0.0.3\n }\n}\n";
    EXPECT_EQ(parse(two + third).totem.token_ms, 3650U);
    EXPECT_EQ(
        parse("totem {\n token_coefficient: 0\n token: 5000\n}\n" + two + third).totem.token_ms,
        5000U);
}

TEST(corosync_conf, knows_whether_knet_encrypts) {
    EXPECT_FALSE(parse(three_nodes).totem.encrypted());
    EXPECT_TRUE(
        parse("totem {\ncrypto_cipher: aes256\ncrypto_hash: sha256\n}\n").totem.encrypted());
    EXPECT_TRUE(parse("totem {\nsecauth: on\n}\n").totem.encrypted());
    EXPECT_FALSE(parse("totem {\nsecauth: on\ncrypto_cipher: none\ncrypto_hash: none\n}\n")
                     .totem.encrypted());
}

TEST(corosync_conf, takes_the_last_of_repeated_keys) {
    EXPECT_EQ(parse("totem {\ntoken: 1000\ntoken: 2000\n}\n").totem.token_ms, 2000U);
}

TEST(corosync_conf, accepts_crlf_blanks_and_a_missing_final_newline) {
    const auto conf = parse("totem  {\t\r\n \t cluster_name :  tide \r\n\r\n   # x { y\r\n }");
    EXPECT_EQ(conf.totem.cluster_name, "tide");
}

TEST(corosync_conf, names_file_and_line_of_each_mistake) {
    EXPECT_EQ(error_of("totem {\n  token\n}\n"),
              "c.conf:2: Line is not opening or closing section or key value");
    EXPECT_EQ(error_of("\n\n}\n"), "c.conf:3: Unexpected closing brace");
    EXPECT_EQ(error_of("totem {\n  token: 3000\n"), "c.conf:2: Missing closing brace");
    EXPECT_EQ(error_of("totem { token: 3000\n}\n"),
              "c.conf:1: Extra characters after opening bracket '{'");
    EXPECT_EQ(error_of("{\n}\n"), "c.conf:1: Missing section name before opening bracket '{'");
    EXPECT_EQ(error_of("totem {\n} x\n"),
              "c.conf:2: Extra characters before or after closing bracket '}'");
    EXPECT_EQ(error_of("totem {\n : 5\n}\n"), "c.conf:2: Missing key name before ':'");
}

TEST(corosync_conf, names_key_value_and_range_of_a_bad_number) {
    EXPECT_EQ(error_of("totem {\n  token: 3000 # three seconds\n}\n"),
              "c.conf:2: Value of key \"totem.token\" is expected to be integer in range "
              "(0..4294967295), but \"3000 # three seconds\" was given");
    EXPECT_EQ(error_of("totem {\n interface {\n mcastport: 70000\n }\n}\n"),
              "c.conf:3: Value of key \"totem.interface.0.mcastport\" is expected to be integer "
              "in range (0..65535), but \"70000\" was given");
    EXPECT_NE(error_of("totem {\n token: -1\n}\n").find("c.conf:2:"), std::string::npos);
    EXPECT_NE(error_of("totem {\n token: \n}\n").find("c.conf:2:"), std::string::npos);
    EXPECT_NE(error_of("totem {\n interface {\n linknumber: 8\n }\n}\n").find("c.conf:3:"),
              std::string::npos);
}

TEST(corosync_conf, refuses_lines_that_corosync_would_cut) {
    EXPECT_NE(error_of("totem {\n  x: " + std::string(600, 'y') + "\n}\n").find("c.conf:2: Line"),
              std::string::npos);
    EXPECT_EQ(error_of(std::string("totem {\n  x: a\0b\n}\n", 18)),
              "c.conf:2: Zero byte in the line");
}

TEST(corosync_conf, refuses_nodes_without_an_id_or_with_the_same_one) {
    EXPECT_EQ(error_of("nodelist {\n node {\n ring0_addr: 10.0.0.1\n }\n}\n"),
              "c.conf:2: Knet requires an explicit nodeid for this node");
    EXPECT_EQ(error_of("nodelist {\n node {\n nodeid: 1\n }\n node {\n nodeid: 1\n }\n}\n"),
              "c.conf:5: Nodeid 1 appears twice");
    EXPECT_NE(error_of("nodelist {\n node {\n nodeid: 65536\n }\n}\n").find("less than 65536"),
              std::string::npos);
}

TEST(corosync_conf, survives_any_truncation_of_a_good_file) {
    const std::string text = three_nodes;
    std::size_t accepted = 0;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        accepted += error_of(text.substr(0, size)) == "no error" ? 1 : 0;
    }
    EXPECT_GT(accepted, 0U);
    EXPECT_LT(accepted, text.size());
}

TEST(corosync_conf, reports_a_file_that_is_not_there) {
    const auto error =
        test::config_error_of([] { read_corosync_conf("/nonexistent/corosync.conf"); });
    EXPECT_NE(error.find("No such file"), std::string::npos);
}

TEST(local_node, is_found_by_host_name_then_without_domain) {
    const auto conf = parse(three_nodes);
    EXPECT_EQ(find_local_node(conf, {"n1", {}}), &conf.nodes[0]);
    EXPECT_EQ(find_local_node(conf, {"n1.a.b", {}}), &conf.nodes[0]);
    EXPECT_EQ(find_local_node(conf, {"n2.example.org", {}}), &conf.nodes[1]);
    EXPECT_EQ(find_local_node(conf, {"n2", {}}), &conf.nodes[1]);
    EXPECT_EQ(find_local_node(conf, {"n2.other", {}}), &conf.nodes[1]);
}

TEST(local_node, is_found_by_the_address_of_link_0_only) {
    const auto conf = parse(three_nodes);
    EXPECT_EQ(find_local_node(conf, {"other", {*parse_ip_address("192.0.2.3")}}), &conf.nodes[2]);
    EXPECT_EQ(find_local_node(conf, {"other", {*parse_ip_address("10.9.1.3")}}), nullptr);
}

TEST(ip_address, reads_and_prints_both_versions) {
    EXPECT_EQ(to_string(*parse_ip_address("10.9.1.1")), "10.9.1.1");
    EXPECT_EQ(to_string(*parse_ip_address("fd00:0::1")), "fd00::1");
    EXPECT_FALSE(parse_ip_address("10.9.1"));
    EXPECT_FALSE(parse_ip_address("n1"));
    EXPECT_TRUE(parse_ip_address("224.0.0.1")->is_multicast());
    EXPECT_TRUE(parse_ip_address("255.255.255.255")->is_multicast());
    EXPECT_TRUE(parse_ip_address("ff02::2")->is_multicast());
    EXPECT_FALSE(parse_ip_address("fd00::ff")->is_multicast());
    EXPECT_TRUE(parse_ip_address("fe80::1")->is_link_local());
    EXPECT_TRUE(parse_ip_address("127.3.0.1")->is_loopback());
    EXPECT_TRUE(parse_ip_address("::1")->is_loopback());
}

TEST(ip_address, resolves_numbers_within_the_wanted_version) {
    EXPECT_EQ(resolve("10.0.0.1", ip_preference::v6_first), parse_ip_address("10.0.0.1"));
    EXPECT_EQ(resolve("fd00::1", ip_preference::v4_first), parse_ip_address("fd00::1"));
    EXPECT_FALSE(resolve("10.0.0.1", ip_preference::v6_only));
    EXPECT_FALSE(resolve("fd00::1", ip_preference::v4_only));
}

}  // namespace
}  // namespace diskhb::corosync
