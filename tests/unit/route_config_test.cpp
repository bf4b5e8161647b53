// SPDX-License-Identifier: BSD-3-Clause
// [[route]]: read alike on all nodes, and what it refuses.
#include "plugin/ring/route_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_error.hpp"
#include "plugin/ring/config.hpp"

namespace diskhb::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* conf = R"(
totem {
    cluster_name: tide
}
nodelist {
    node {
        name: n1
        nodeid: 1
        ring0_addr: 192.0.2.1
        ring1_addr: 10.9.1.1
    }
    node {
        name: n2
        nodeid: 2
        ring0_addr: 192.0.2.2
        ring1_addr: 10.9.1.2
    }
    node {
        name: n3
        nodeid: 3
        ring0_addr: 192.0.2.3
        ring1_addr: 10.9.1.3
    }
}
)";

constexpr const char* ring = "[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n";
constexpr const char* smallest =
    "[[route]]\nprefixes = [\"0.0.0.0/0\"]\ngateway = \"192.0.2.2\"\ncarriers = [2]\n";

daemon_config parse(const std::string& text, const std::string& name = "n1") {
    const host_questions host = {
        [](const std::string& path) { return corosync::parse_corosync_conf(conf, path); },
        [name] {
            return corosync::host_identity{name, {}};
        },
        [](const std::string& address, corosync::ip_preference) {
            return corosync::parse_ip_address(address);
        }};
    return parse_config(ring + text, "d.toml", host);
}

std::string error_of(const std::string& text) {
    return test::config_error_of([&] { parse(text); });
}

// The smallest route, one line of it in the place of another.
std::string error_with(const std::string& line, const std::string& in_place_of = "") {
    std::string text = smallest;
    const auto at = text.find(in_place_of);
    if (!in_place_of.empty()) {
        text.erase(at, text.find('\n', at) + 1 - at);
    }
    return error_of(text + line + "\n");
}

TEST(route_config, is_complete_with_prefixes_gateway_and_carriers) {
    const auto config = parse(smallest);
    ASSERT_EQ(config.routes.size(), 1U);
    const auto& route = config.routes.front();
    EXPECT_EQ(route.name, "route-1");
    EXPECT_EQ(route.ring, "dhb0");
    EXPECT_EQ(to_string(route.prefixes.front()), "0.0.0.0/0");
    EXPECT_EQ(corosync::to_string(route.gateway), "192.0.2.2");
    EXPECT_EQ(route.probe, route.gateway);
    EXPECT_THAT(route.carriers, ElementsAre(2));
    EXPECT_EQ(route.probe_interval, std::chrono::milliseconds(500));
    EXPECT_EQ(route.down_after, 3U);
    EXPECT_EQ(route.up_after, 5U);
}

TEST(route_config, is_used_by_all_that_do_not_carry_from_their_address_on_link_0) {
    const auto config = parse(smallest);
    const auto& route = config.routes.front();
    ASSERT_EQ(route.users.size(), 2U);
    EXPECT_EQ(corosync::to_string(route.user(1)->source), "192.0.2.1");
    EXPECT_EQ(corosync::to_string(route.user(3)->source), "192.0.2.3");
    EXPECT_EQ(route.user(2), nullptr);
}

TEST(route_config, takes_users_and_their_addresses_as_given) {
    const auto config = parse(
        "[[route]]\nname = \"six\"\nprefixes = [\"::/0\"]\ngateway = \"fe80::1\"\n"
        "interface = \"eth0\"\nprobe = \"2001:db8::1\"\ncarriers = [2, 3]\nnodes = [3, 1]\n"
        "probe_interval_ms = 200\ndown_after = 2\nup_after = 9\n"
        "sources = { 1 = \"fd00::1\", 3 = \"fd00::3\" }\n");
    const auto& route = config.routes.front();
    EXPECT_EQ(corosync::to_string(route.user(1)->source), "fd00::1");
    EXPECT_EQ(corosync::to_string(route.user(3)->source), "fd00::3");
    EXPECT_EQ(route.gateway_interface, "eth0");
    EXPECT_EQ(corosync::to_string(route.probe), "2001:db8::1");
    EXPECT_EQ(route.down_after, 2U);
    EXPECT_EQ(route.up_after, 9U);
}

TEST(route_config, gives_a_ring_its_share_only_where_a_route_uses_it) {
    EXPECT_EQ(parse("").rings.front().engine.routed_queue_bytes, 0U);
    EXPECT_GT(parse(smallest).rings.front().engine.routed_queue_bytes, 0U);
    EXPECT_GT(parse(smallest, "n2").rings.front().engine.routed_queue_bytes, 0U);
    const auto without_us = std::string(smallest) + "nodes = [3]\n";
    EXPECT_EQ(parse(without_us).rings.front().engine.routed_queue_bytes, 0U);
}

TEST(route_config, knows_all_addresses_of_corosync) {
    EXPECT_EQ(parse(smallest).cluster_addresses.size(), 6U);
}

TEST(route_config, is_described_to_users_and_carriers) {
    EXPECT_THAT(describe(parse(smallest)),
                HasSubstr("route route-1: 0.0.0.0/0 from 192.0.2.1 by gateway 192.0.2.2"));
    EXPECT_THAT(describe(parse(smallest, "n2")),
                HasSubstr("route route-1: carried for node 3: 0.0.0.0/0 from 192.0.2.3"));
}

TEST(route_config, refuses_prefixes_that_are_none) {
    EXPECT_THAT(error_with("", "prefixes"), HasSubstr("'prefixes' must be an array"));
    EXPECT_THAT(error_with("prefixes = []", "prefixes"), HasSubstr("'prefixes' must be an array"));
    EXPECT_THAT(error_with("prefixes = \"0.0.0.0/0\"", "prefixes"),
                HasSubstr("'prefixes' must be an array"));
    EXPECT_THAT(error_with("prefixes = [\"10.0.0.1/8\"]", "prefixes"),
                HasSubstr("\"10.0.0.1/8\" is no prefix"));
    EXPECT_THAT(error_with("prefixes = [\"10.0.0.0/8\", \"10.0.0.0/8\"]", "prefixes"),
                HasSubstr("given twice"));
    EXPECT_THAT(error_with("prefixes = [\"10.0.0.0/8\", \"fd00::/8\"]", "prefixes"),
                HasSubstr("IPv4 and IPv6 need a [[route]] each"));
}

TEST(route_config, refuses_gateways_and_probes_that_cannot_be) {
    EXPECT_THAT(error_with("", "gateway"), HasSubstr("'gateway' is missing"));
    EXPECT_THAT(error_with("gateway = \"router\"", "gateway"), HasSubstr("not a name"));
    EXPECT_THAT(error_with("gateway = \"fd00::1\"", "gateway"), HasSubstr("same IP version"));
    EXPECT_THAT(error_with("gateway = \"127.0.0.1\"", "gateway"), HasSubstr("loopback"));
    EXPECT_THAT(error_with("probe = \"224.0.0.1\""), HasSubstr("multicast"));
    EXPECT_THAT(error_with("interface = \"dhb0\""), HasSubstr("is the ring's"));
    EXPECT_THAT(error_with("interface = \"dhb0r\""), HasSubstr("is the ring's"));
    EXPECT_THAT(error_with("interface = \"sixteen-letters-\""), HasSubstr("longer than"));
}

TEST(route_config, refuses_nodes_that_are_not_there_or_cannot_help) {
    EXPECT_THAT(error_with("", "carriers"), HasSubstr("'carriers' is missing"));
    EXPECT_THAT(error_with("carriers = [9]", "carriers"), HasSubstr("there is no node 9"));
    EXPECT_THAT(error_with("carriers = [2, 2]", "carriers"), HasSubstr("node 2 is named twice"));
    EXPECT_THAT(error_with("carriers = []", "carriers"), HasSubstr("array of node ids"));
    EXPECT_THAT(error_with("carriers = [1, 2, 3]", "carriers"), HasSubstr("no node uses it"));
    EXPECT_THAT(error_with("nodes = [2]"), HasSubstr("node 2 has no other node to carry for it"));
    EXPECT_THAT(error_with("ring = \"dhb7\""), HasSubstr("no [[ring]] has that interface"));
}

TEST(route_config, refuses_sources_that_cannot_be) {
    EXPECT_THAT(error_with("sources = { 1 = \"fd00::1\" }"), HasSubstr("same IP version"));
    EXPECT_THAT(error_with("sources = { 2 = \"10.0.0.2\" }"), HasSubstr("'2' is not a key"));
    EXPECT_THAT(error_with("sources = { 1 = \"10.0.0.2\", 3 = \"10.0.0.2\" }"),
                HasSubstr("given twice"));
    EXPECT_THAT(error_with("sources = 5"), HasSubstr("must be a table"));
    EXPECT_THAT(error_of("[[route]]\nprefixes = [\"::/0\"]\ngateway = \"fd00::2\"\ncarriers = "
                         "[2]\n"),
                HasSubstr("node 1 has no IPv6 address on link 0"));
}

TEST(route_config, refuses_values_out_of_range_and_unknown_keys) {
    EXPECT_THAT(error_with("probe_interval_ms = 10"), HasSubstr("out of its range 50 .. 60000"));
    EXPECT_THAT(error_with("down_after = 0"), HasSubstr("out of its range 1 .. 100"));
    EXPECT_THAT(error_with("metric = 5"), HasSubstr("'metric' is not a key of [[route]]"));
    EXPECT_THAT(error_with("name = \"two words\""), HasSubstr("none of them a blank"));
    EXPECT_THAT(error_of("[route]\n"), HasSubstr("must be tables: [[route]]"));
}

TEST(route_config, refuses_two_ways_for_one_prefix_on_a_node) {
    const std::string other = std::string(smallest) + "name = \"other\"\n";
    EXPECT_THAT(error_of(smallest + other), HasSubstr("node 1 has 0.0.0.0/0 in the route route-1"));
    EXPECT_THAT(error_of(smallest + std::string("nodes = [1]\n") + other + "nodes = [3]\n"),
                HasSubstr("no error"));
    EXPECT_THAT(error_of(smallest + std::string("name = \"route-2\"\nnodes = [1]\n") + smallest +
                         "nodes = [3]\n"),
                HasSubstr("two routes have the name route-2"));
}

}  // namespace
}  // namespace diskhb::daemon
