// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/packet.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace diskhb::daemon {
namespace {

using bytes = std::vector<std::byte>;
using corosync::parse_ip_address;

constexpr std::uint16_t knet_port = 5406;
constexpr knet_traits plain{knet_port, false};
constexpr knet_traits encrypted{knet_port, true};

ip_address address(const char* text) { return *parse_ip_address(text); }

void put_big_endian(bytes& packet, std::size_t offset, std::size_t value) {
    packet[offset] = static_cast<std::byte>(value >> 8 & 0xff);
    packet[offset + 1] = static_cast<std::byte>(value & 0xff);
}

void put_address(bytes& packet, std::size_t offset, const ip_address& value) {
    std::memcpy(packet.data() + offset, value.bytes.data(), value.size_bytes());
}

// An IP packet with the right lengths around the payload.
bytes ip(const char* source, const char* destination, std::uint8_t protocol, const bytes& payload) {
    const auto from = address(source);
    const bool v4 = from.family == corosync::ip_family::v4;
    bytes packet(v4 ? 20 : 40);
    packet[0] = static_cast<std::byte>(v4 ? 0x45 : 0x60);
    packet[v4 ? 9 : 6] = static_cast<std::byte>(protocol);
    put_big_endian(packet, v4 ? 2 : 4, payload.size() + (v4 ? 20 : 0));
    put_address(packet, v4 ? 12 : 8, from);
    put_address(packet, v4 ? 16 : 24, address(destination));
    packet.insert(packet.end(), payload.begin(), payload.end());
    return packet;
}

bytes udp(std::uint16_t source_port, std::uint16_t destination_port,
          std::initializer_list<int> content) {
    bytes payload(8);
    put_big_endian(payload, 0, source_port);
    put_big_endian(payload, 2, destination_port);
    for (const int value : content) {
        payload.push_back(static_cast<std::byte>(value));
    }
    return payload;
}

address_table table_v4() {
    return {address("10.9.1.1"),
            {{address("10.9.1.3"), 3}, {address("10.9.1.2"), 2}, {address("10.9.1.20"), 20}}};
}
address_table table_v6() { return {address("fd00::1"), {{address("fd00::2"), 2}}}; }

packet_type type_of(const bytes& packet, const knet_traits& knet = plain) {
    return classify(*parse_ip_packet(packet), knet);
}

TEST(address_table, finds_nodes_by_address_and_addresses_by_node) {
    const auto table = table_v4();
    EXPECT_EQ(table.node_of(address("10.9.1.2")), 2U);
    EXPECT_EQ(table.node_of(address("10.9.1.20")), 20U);
    EXPECT_EQ(table.node_of(address("10.9.1.1")), 0U);
    EXPECT_EQ(table.node_of(address("10.9.1.4")), 0U);
    EXPECT_EQ(table.node_of(address("fd00::2")), 0U);
    ASSERT_NE(table.address_of(3), nullptr);
    EXPECT_EQ(*table.address_of(3), address("10.9.1.3"));
    EXPECT_EQ(table.address_of(1), nullptr);
}

TEST(packet, from_us_to_a_peer_goes_to_its_node_in_both_versions) {
    const auto v4 =
        decide_outbound(ip("10.9.1.1", "10.9.1.3", 17, udp(1, 2, {})), table_v4(), plain);
    EXPECT_EQ(v4.fault, outbound_fault::none);
    EXPECT_EQ(v4.node_id, 3U);
    const auto v6 = decide_outbound(ip("fd00::1", "fd00::2", 17, udp(1, 2, {})), table_v6(), plain);
    EXPECT_EQ(v6.fault, outbound_fault::none);
    EXPECT_EQ(v6.node_id, 2U);
}

TEST(packet, to_a_group_to_a_stranger_or_from_a_stranger_is_told_apart) {
    const auto fault = [](const char* from, const char* to, const address_table& table) {
        return decide_outbound(ip(from, to, 17, udp(1, 2, {})), table, plain).fault;
    };
    EXPECT_EQ(fault("10.9.1.1", "224.0.0.22", table_v4()), outbound_fault::multicast);
    EXPECT_EQ(fault("10.9.1.1", "255.255.255.255", table_v4()), outbound_fault::multicast);
    EXPECT_EQ(fault("fd00::1", "ff02::2", table_v6()), outbound_fault::multicast);
    EXPECT_EQ(fault("10.9.1.1", "10.9.1.99", table_v4()), outbound_fault::unknown_destination);
    EXPECT_EQ(fault("10.9.1.1", "10.9.1.1", table_v4()), outbound_fault::unknown_destination);
    EXPECT_EQ(fault("192.0.2.1", "10.9.1.2", table_v4()), outbound_fault::foreign_source);
    EXPECT_EQ(fault("fd00::2", "fd00::2", table_v6()), outbound_fault::foreign_source);
}

TEST(packet, of_knet_itself_is_control_and_its_data_is_cluster) {
    for (const int type : {0x81, 0x82, 0x83, 0x84}) {
        EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, type, 0, 1}))),
                  packet_type::control);
        EXPECT_EQ(type_of(ip("fd00::1", "fd00::2", 17, udp(5406, 5406, {1, type, 0, 1}))),
                  packet_type::control);
    }
    for (const int type : {0x00, 0x01, 0x80, 0x85, 0xff}) {
        EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, type}))),
                  packet_type::cluster);
    }
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {2, 0x81}))),
              packet_type::cluster);
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1}))), packet_type::cluster);
}

TEST(packet, of_an_encrypted_link_is_always_cluster) {
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, 0x81})), encrypted),
              packet_type::cluster);
}

TEST(packet, of_icmp_is_control_and_the_rest_is_bulk) {
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 1, bytes(8))), packet_type::control);
    EXPECT_EQ(type_of(ip("fd00::1", "fd00::2", 58, bytes(8))), packet_type::control);
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 58, bytes(8))), packet_type::bulk);
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 6, bytes(20))), packet_type::bulk);
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5405, {1, 0x81}))),
              packet_type::bulk);
    EXPECT_EQ(type_of(ip("10.9.1.1", "10.9.1.2", 17, bytes(7))), packet_type::bulk);
}

TEST(packet, that_is_an_ip_fragment_is_bulk_whatever_its_bytes_look_like) {
    auto packet = ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, 0x81}));
    packet[7] = std::byte{1};
    EXPECT_EQ(type_of(packet), packet_type::bulk);
    packet[7] = std::byte{0};
    packet[6] = std::byte{0x40};  // "don't fragment" alone is no fragment
    EXPECT_EQ(type_of(packet), packet_type::control);
}

TEST(packet, with_ip_options_is_read_past_them) {
    auto packet = ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, 0x82}));
    packet.insert(packet.begin() + 20, 8, std::byte{0});
    packet[0] = std::byte{0x47};
    put_big_endian(packet, 2, packet.size());
    EXPECT_EQ(type_of(packet), packet_type::control);
}

TEST(packet, of_any_wrong_length_is_malformed) {
    for (const auto& good : {ip("10.9.1.1", "10.9.1.2", 17, udp(5406, 5406, {1, 0x81})),
                             ip("fd00::1", "fd00::2", 17, udp(5406, 5406, {1, 0x81}))}) {
        for (std::size_t size = 0; size < good.size(); ++size) {
            EXPECT_FALSE(parse_ip_packet(std::span(good).first(size)));
        }
        auto longer = good;
        longer.push_back(std::byte{0});
        EXPECT_FALSE(parse_ip_packet(longer));
        EXPECT_TRUE(parse_ip_packet(good));
    }
}

TEST(packet, with_a_header_length_outside_itself_is_malformed) {
    auto packet = ip("10.9.1.1", "10.9.1.2", 17, bytes(8));
    for (const int words : {0, 4, 8, 15}) {
        packet[0] = static_cast<std::byte>(0x40 | words);
        EXPECT_FALSE(parse_ip_packet(packet)) << words;
    }
}

TEST(packet, of_random_bytes_never_leaves_its_bounds) {
    std::mt19937 random(20);
    std::size_t accepted = 0;
    for (int round = 0; round < 200000; ++round) {
        bytes packet(random() % 96);
        for (auto& value : packet) {
            value = static_cast<std::byte>(random());
        }
        if (packet.size() >= 40 && round % 2 == 0) {
            // Half of them with plausible lengths, so that the code behind the checks runs too.
            const bool v4 = random() % 2 == 0;
            packet[0] = static_cast<std::byte>((v4 ? 0x40 : 0x60) | random() % 16);
            put_big_endian(packet, v4 ? 2 : 4, packet.size() - (v4 ? 0 : 40));
        }
        if (const auto parsed = parse_ip_packet(packet)) {
            ++accepted;
            ASSERT_LE(parsed->payload.size(), packet.size());
            classify(*parsed, plain);
        }
        decide_outbound(packet, table_v4(), plain);
        decide_inbound(2, packet, table_v6());
    }
    EXPECT_GT(accepted, 1000U);
}

TEST(inbound_packet, is_taken_only_from_the_senders_address_to_ours) {
    const auto decide = [](std::uint32_t from, const char* source, const char* destination) {
        return decide_inbound(from, ip(source, destination, 17, udp(1, 2, {})), table_v4());
    };
    EXPECT_EQ(decide(2, "10.9.1.2", "10.9.1.1"), inbound_fault::none);
    EXPECT_EQ(decide(2, "10.9.1.3", "10.9.1.1"), inbound_fault::foreign_source);
    EXPECT_EQ(decide(2, "10.9.1.1", "10.9.1.1"), inbound_fault::foreign_source);
    EXPECT_EQ(decide(2, "10.9.1.2", "10.9.1.3"), inbound_fault::foreign_destination);
    EXPECT_EQ(decide(2, "10.9.1.2", "192.0.2.1"), inbound_fault::foreign_destination);
    EXPECT_EQ(decide(9, "10.9.1.2", "10.9.1.1"), inbound_fault::unknown_node);
    EXPECT_EQ(decide_inbound(2, bytes(3), table_v4()), inbound_fault::malformed);
    EXPECT_EQ(decide_inbound(2, ip("fd00::2", "fd00::1", 17, bytes(8)), table_v6()),
              inbound_fault::none);
}

}  // namespace
}  // namespace diskhb::daemon
