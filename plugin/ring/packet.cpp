// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/packet.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace diskhb::daemon {

namespace {

// RFC 791, RFC 8200 and RFC 768.
constexpr std::size_t ipv4_header_bytes_min = 20;
constexpr std::size_t ipv6_header_bytes = 40;
constexpr std::size_t udp_header_bytes = 8;
constexpr std::uint8_t protocol_icmp = 1;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t protocol_icmpv6 = 58;

// libknet/onwire.h of kronosnet 1.25: version, then type. Bit 7 marks knet's own packets.
constexpr std::uint8_t knet_header_version = 1;
constexpr std::uint8_t knet_type_ping = 0x81;
constexpr std::uint8_t knet_type_pmtud_reply = 0x84;

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
    return std::to_integer<std::uint8_t>(bytes[offset]);
}

std::uint16_t big_endian_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
    return static_cast<std::uint16_t>(byte_at(bytes, offset) << 8 | byte_at(bytes, offset + 1));
}

ip_address address_at(std::span<const std::byte> bytes, std::size_t offset,
                      corosync::ip_family family) noexcept {
    ip_address address;
    address.family = family;
    for (std::size_t index = 0; index < address.size_bytes(); ++index) {
        address.bytes[index] = byte_at(bytes, offset + index);
    }
    return address;
}

std::optional<ip_packet> parse_ipv4(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() < ipv4_header_bytes_min) {
        return std::nullopt;
    }
    const auto header_bytes = std::size_t{byte_at(bytes, 0)} % 16 * 4;
    if (header_bytes < ipv4_header_bytes_min || header_bytes > bytes.size() ||
        big_endian_at(bytes, 2) != bytes.size()) {
        return std::nullopt;
    }
    constexpr std::uint16_t more_fragments_and_offset = 0x3fff;
    ip_packet packet;
    packet.source = address_at(bytes, 12, corosync::ip_family::v4);
    packet.destination = address_at(bytes, 16, corosync::ip_family::v4);
    packet.protocol = byte_at(bytes, 9);
    packet.is_fragment = (big_endian_at(bytes, 6) & more_fragments_and_offset) != 0;
    packet.payload = bytes.subspan(header_bytes);
    return packet;
}

std::optional<ip_packet> parse_ipv6(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() < ipv6_header_bytes ||
        std::size_t{big_endian_at(bytes, 4)} + ipv6_header_bytes != bytes.size()) {
        return std::nullopt;
    }
    ip_packet packet;
    packet.source = address_at(bytes, 8, corosync::ip_family::v6);
    packet.destination = address_at(bytes, 24, corosync::ip_family::v6);
    packet.protocol = byte_at(bytes, 6);
    packet.payload = bytes.subspan(ipv6_header_bytes);
    return packet;
}

bool is_knet_control(std::span<const std::byte> udp_payload) noexcept {
    if (udp_payload.size() < 2 || byte_at(udp_payload, 0) != knet_header_version) {
        return false;
    }
    const auto type = byte_at(udp_payload, 1);
    return type >= knet_type_ping && type <= knet_type_pmtud_reply;
}

}  // namespace

address_table::address_table(const ip_address& own, std::vector<entry> peers)
    : own_(own), by_address_(std::move(peers)), by_node_(by_address_) {
    std::sort(by_address_.begin(), by_address_.end(),
              [](const entry& a, const entry& b) { return a.address < b.address; });
    std::sort(by_node_.begin(), by_node_.end(),
              [](const entry& a, const entry& b) { return a.node_id < b.node_id; });
}

std::uint32_t address_table::node_of(const ip_address& address) const noexcept {
    const auto found = std::lower_bound(by_address_.begin(), by_address_.end(), address,
                                        [](const entry& candidate, const ip_address& wanted) {
                                            return candidate.address < wanted;
                                        });
    return found != by_address_.end() && found->address == address ? found->node_id : 0;
}

const ip_address* address_table::address_of(std::uint32_t node_id) const noexcept {
    const auto found = std::lower_bound(
        by_node_.begin(), by_node_.end(), node_id,
        [](const entry& candidate, std::uint32_t wanted) { return candidate.node_id < wanted; });
    return found != by_node_.end() && found->node_id == node_id ? &found->address : nullptr;
}

std::optional<ip_packet> parse_ip_packet(std::span<const std::byte> bytes) noexcept {
    if (bytes.empty()) {
        return std::nullopt;
    }
    switch (byte_at(bytes, 0) >> 4) {
        case 4:
            return parse_ipv4(bytes);
        case 6:
            return parse_ipv6(bytes);
        default:
            return std::nullopt;
    }
}

packet_type classify(const ip_packet& packet, const knet_traits& knet) noexcept {
    const bool v4 = packet.source.family == corosync::ip_family::v4;
    if (packet.protocol == (v4 ? protocol_icmp : protocol_icmpv6)) {
        return packet_type::control;
    }
    if (packet.protocol != protocol_udp || packet.is_fragment ||
        packet.payload.size() < udp_header_bytes) {
        return packet_type::bulk;
    }
    // Corosync binds each link to its port on both sides.
    if (big_endian_at(packet.payload, 0) != knet.port ||
        big_endian_at(packet.payload, 2) != knet.port) {
        return packet_type::bulk;
    }
    const bool control =
        !knet.encrypted && is_knet_control(packet.payload.subspan(udp_header_bytes));
    return control ? packet_type::control : packet_type::cluster;
}

outbound_decision decide_outbound(std::span<const std::byte> bytes, const address_table& addresses,
                                  const knet_traits& knet) noexcept {
    const auto packet = parse_ip_packet(bytes);
    if (!packet) {
        return {outbound_fault::malformed};
    }
    if (packet->destination.is_multicast()) {
        return {outbound_fault::multicast};
    }
    const auto node_id = addresses.node_of(packet->destination);
    if (node_id == 0) {
        return {outbound_fault::unknown_destination};
    }
    if (packet->source != addresses.own()) {
        return {outbound_fault::foreign_source};
    }
    return {outbound_fault::none, node_id, classify(*packet, knet)};
}

inbound_fault decide_inbound(std::uint32_t from, std::span<const std::byte> bytes,
                             const address_table& addresses) noexcept {
    const auto packet = parse_ip_packet(bytes);
    if (!packet) {
        return inbound_fault::malformed;
    }
    const auto* expected = addresses.address_of(from);
    if (expected == nullptr) {
        return inbound_fault::unknown_node;
    }
    if (packet->source != *expected) {
        return inbound_fault::foreign_source;
    }
    return packet->destination == addresses.own() ? inbound_fault::none
                                                  : inbound_fault::foreign_destination;
}

}  // namespace diskhb::daemon
