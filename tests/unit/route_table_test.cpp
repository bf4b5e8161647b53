// SPDX-License-Identifier: BSD-3-Clause
// What may pass between the host and the ring by a route, and what may not.
#include "plugin/ring/route_table.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace diskhb::daemon {
namespace {

using bytes = std::vector<std::byte>;

ip_address address(const char* text) { return *corosync::parse_ip_address(text); }

// An IP packet without content.
bytes packet(const char* source, const char* destination) {
    const auto from = address(source);
    const auto to = address(destination);
    const bool v4 = from.family == corosync::ip_family::v4;
    bytes made(v4 ? 20 : 40);
    made[0] = static_cast<std::byte>(v4 ? 0x45 : 0x60);
    made[3] = static_cast<std::byte>(v4 ? 20 : 0);
    std::memcpy(made.data() + (v4 ? 12 : 8), from.bytes.data(), from.size_bytes());
    std::memcpy(made.data() + (v4 ? 16 : 24), to.bytes.data(), to.size_bytes());
    return made;
}

route_config route(const char* name, std::vector<const char*> prefixes,
                   std::vector<std::uint32_t> carriers, std::vector<route_user> users) {
    route_config made;
    made.name = name;
    made.ring = "dhb0";
    made.carriers = std::move(carriers);
    made.users = std::move(users);
    for (const auto* text : prefixes) {
        made.prefixes.push_back(*parse_ip_prefix(text));
    }
    return made;
}

// Nodes 1, 2 and 3 are 10.0.0.1 and so on on the network, 10.9.0.1 and so on on the ring. Node 2
// carries everything for the others, node 3 an office for node 1; IPv6 goes by node 2.
std::vector<route_config> routes() {
    const route_user one{1, address("10.0.0.1")};
    const route_user three{3, address("10.0.0.3")};
    return {route("internet", {"0.0.0.0/0"}, {2}, {one, three}),
            route("office", {"172.16.0.0/12"}, {3}, {one}),
            route("six", {"::/0"}, {2}, {{1, address("fd00::1")}})};
}

class route_table_test : public testing::Test {
  protected:
    route_fault in(std::uint32_t at, std::uint32_t from, const char* source,
                   const char* destination) {
        return (at == 1   ? one_
                : at == 2 ? two_
                          : three_)
            .decide_inbound(from, packet(source, destination));
    }
    route_decision out(std::uint32_t at, const char* source, const char* destination) {
        return (at == 1   ? one_
                : at == 2 ? two_
                          : three_)
            .decide_outbound(packet(source, destination));
    }
    void expect_sent(const route_decision& decision, std::uint32_t node_id) {
        EXPECT_EQ(decision.fault, route_fault::none);
        EXPECT_EQ(decision.node_id, node_id);
    }

    route_table one_{routes(), "dhb0", 1, cluster()};
    route_table two_{routes(), "dhb0", 2, cluster()};
    route_table three_{routes(), "dhb0", 3, cluster()};

    static std::vector<ip_address> cluster() {
        return {address("10.9.0.1"), address("10.0.0.1"), address("10.0.0.2"),
                address("10.0.0.3"), address("10.9.0.2"), address("10.9.0.3")};
    }
};

TEST_F(route_table_test, has_no_part_where_no_route_has) {
    EXPECT_TRUE(route_table(routes(), "dhb1", 1, {}).empty());
    EXPECT_TRUE(route_table(routes(), "dhb0", 4, {}).empty());
    EXPECT_FALSE(one_.empty());
    EXPECT_FALSE(two_.empty());
}

TEST_F(route_table_test, sends_to_the_carrier_of_the_longest_prefix) {
    one_.set_carrier(0, 2);
    one_.set_carrier(1, 3);
    one_.set_carrier(2, 2);
    expect_sent(out(1, "10.0.0.1", "192.0.2.80"), 2);
    expect_sent(out(1, "10.0.0.1", "172.20.1.1"), 3);
    expect_sent(out(1, "fd00::1", "2001:db8::1"), 2);
}

TEST_F(route_table_test, drops_what_has_no_carrier_now) {
    EXPECT_EQ(out(1, "10.0.0.1", "192.0.2.80").fault, route_fault::no_carrier);
    one_.set_carrier(0, 2);
    one_.set_carrier(0, 0);
    EXPECT_EQ(out(1, "10.0.0.1", "192.0.2.80").fault, route_fault::no_carrier);
}

TEST_F(route_table_test, sends_only_from_our_own_address) {
    one_.set_carrier(0, 2);
    EXPECT_EQ(out(1, "10.9.0.1", "192.0.2.80").fault, route_fault::not_configured);
    EXPECT_EQ(out(1, "192.168.7.7", "192.0.2.80").fault, route_fault::not_configured);
}

TEST_F(route_table_test, takes_from_a_node_only_its_address_and_its_prefixes) {
    EXPECT_EQ(in(2, 1, "10.0.0.1", "192.0.2.80"), route_fault::none);
    EXPECT_EQ(in(2, 3, "10.0.0.3", "192.0.2.80"), route_fault::none);
    EXPECT_EQ(in(2, 1, "fd00::1", "2001:db8::1"), route_fault::none);
    EXPECT_EQ(in(2, 3, "10.0.0.1", "192.0.2.80"), route_fault::not_configured);
    EXPECT_EQ(in(2, 1, "192.168.7.7", "192.0.2.80"), route_fault::not_configured);
    EXPECT_EQ(in(2, 4, "10.0.0.1", "192.0.2.80"), route_fault::not_configured);
    EXPECT_EQ(in(3, 1, "10.0.0.1", "172.20.1.1"), route_fault::none);
    EXPECT_EQ(in(3, 1, "10.0.0.1", "192.0.2.80"), route_fault::not_configured);
    EXPECT_EQ(in(1, 3, "10.0.0.3", "192.0.2.80"), route_fault::not_configured);
}

TEST_F(route_table_test, sends_what_comes_back_to_the_node_whose_address_it_has) {
    expect_sent(out(2, "192.0.2.80", "10.0.0.1"), 1);
    expect_sent(out(2, "192.0.2.80", "10.0.0.3"), 3);
    expect_sent(out(3, "172.20.1.1", "10.0.0.1"), 1);
    EXPECT_EQ(out(3, "192.0.2.80", "10.0.0.1").fault, route_fault::not_configured);
    EXPECT_EQ(out(2, "192.0.2.80", "10.0.0.4").fault, route_fault::not_configured);
}

TEST_F(route_table_test, takes_what_comes_back_from_its_carriers_only) {
    EXPECT_EQ(in(1, 2, "192.0.2.80", "10.0.0.1"), route_fault::none);
    EXPECT_EQ(in(1, 3, "172.20.1.1", "10.0.0.1"), route_fault::none);
    EXPECT_EQ(in(1, 3, "192.0.2.80", "10.0.0.1"), route_fault::not_configured);
    EXPECT_EQ(in(1, 2, "192.0.2.80", "10.0.0.2"), route_fault::not_configured);
}

TEST_F(route_table_test, never_carries_from_one_address_of_corosync_to_another) {
    one_.set_carrier(0, 2);
    EXPECT_EQ(out(1, "10.0.0.1", "10.0.0.2").fault, route_fault::cluster_address);
    EXPECT_EQ(out(2, "10.0.0.2", "10.0.0.1").fault, route_fault::cluster_address);
    EXPECT_EQ(in(2, 1, "10.0.0.1", "10.0.0.2"), route_fault::cluster_address);
    EXPECT_EQ(in(1, 2, "10.9.0.2", "10.0.0.1"), route_fault::cluster_address);
}

TEST_F(route_table_test, carries_no_addresses_that_stay_on_a_host_or_a_network) {
    one_.set_carrier(0, 2);
    for (const auto* other :
         {"127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1", "0.0.0.0"}) {
        EXPECT_EQ(out(1, "10.0.0.1", other).fault, route_fault::local_address) << other;
        EXPECT_EQ(in(2, 1, "10.0.0.1", other), route_fault::local_address) << other;
        EXPECT_EQ(in(1, 2, other, "10.0.0.1"), route_fault::local_address) << other;
    }
    EXPECT_EQ(in(2, 1, "fd00::1", "ff02::1"), route_fault::local_address);
    EXPECT_EQ(in(2, 1, "fd00::1", "fe80::1"), route_fault::local_address);
}

// Two nodes that carry for each other, and both without a gateway: a packet of one must not be
// sent back and forth.
TEST_F(route_table_test, does_not_pass_on_what_it_carries_to_a_carrier_of_its_own) {
    const route_user one{1, address("10.0.0.1")};
    const route_user two{2, address("10.0.0.2")};
    route_table table({route("internet", {"0.0.0.0/0"}, {1, 2}, {one, two})}, "dhb0", 2, {});
    table.set_carrier(0, 1);
    EXPECT_EQ(table.decide_inbound(1, packet("10.0.0.1", "192.0.2.80")), route_fault::none);
    EXPECT_EQ(table.decide_outbound(packet("10.0.0.1", "192.0.2.80")).fault,
              route_fault::not_configured);
    EXPECT_EQ(table.decide_outbound(packet("10.0.0.2", "192.0.2.80")).fault, route_fault::none);
}

TEST_F(route_table_test, refuses_what_is_no_packet) {
    one_.set_carrier(0, 2);
    std::mt19937 random(3);
    EXPECT_EQ(two_.decide_inbound(1, {}), route_fault::malformed);
    const auto good = packet("10.0.0.1", "192.0.2.80");
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(two_.decide_inbound(1, std::span(good).first(size)), route_fault::malformed);
        EXPECT_EQ(one_.decide_outbound(std::span(good).first(size)).fault, route_fault::malformed);
    }
    for (int round = 0; round < 20000; ++round) {
        bytes noise(random() % 100);
        for (auto& byte : noise) {
            byte = static_cast<std::byte>(random());
        }
        EXPECT_NE(two_.decide_inbound(1, noise), route_fault::none);
    }
}

}  // namespace
}  // namespace diskhb::daemon
