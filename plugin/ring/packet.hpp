// SPDX-License-Identifier: BSD-3-Clause
// What to do with an IP packet: decisions over bytes that nobody vouches for. They come from the
// TUN (any program on the host) or from the volume (any host that can write it). Pure, no
// allocation; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "diskhb/node.hpp"
#include "plugin/corosync/ip_address.hpp"

namespace diskhb::daemon {

using corosync::ip_address;

// The smallest MTU that IPv6 allows on a link (RFC 8200, 5) and the largest IP packet.
inline constexpr std::uint32_t mtu_bytes_min = 1280;
inline constexpr std::uint32_t mtu_bytes_max = 65535;

// The addresses of one ring, fixed at start; read by the TUN reader and the engine's receiver.
class address_table {
  public:
    struct entry {
        ip_address address;
        std::uint32_t node_id = 0;
    };
    address_table(const ip_address& own, std::vector<entry> peers);

    const ip_address& own() const noexcept { return own_; }
    // 0 if no peer has that address.
    std::uint32_t node_of(const ip_address& address) const noexcept;
    // Null if there is no such peer.
    const ip_address* address_of(std::uint32_t node_id) const noexcept;

  private:
    ip_address own_;
    std::vector<entry> by_address_;
    std::vector<entry> by_node_;
};

// The part of an IP packet that decisions need. The span points into the packet.
struct ip_packet {
    ip_address source;
    ip_address destination;
    std::uint8_t protocol = 0;  // of IPv4, or the first next header of IPv6
    bool is_fragment = false;   // a piece of an IPv4 packet; IPv6 pieces have another protocol
    std::span<const std::byte> payload;  // after the IP header with its options
};

// Checks version, header length and that the packet is exactly as long as it says. Nothing if not.
std::optional<ip_packet> parse_ip_packet(std::span<const std::byte> bytes) noexcept;

// How knet uses the link: which UDP port, and whether the type of a packet can be read.
struct knet_traits {
    std::uint16_t port = 0;
    bool encrypted = false;
};

// knet's own pings, pongs and path MTU probes, and ICMP: control. Everything else on knet's port:
// cluster; with encryption that is all of knet. The rest: bulk.
packet_type classify(const ip_packet& packet, const knet_traits& knet) noexcept;

// A packet that came out of the TUN.
enum class outbound_fault {
    none,
    malformed,            // no IP packet, or not as long as it says
    foreign_source,       // not from our ring address: every receiver would refuse it
    multicast,            // to a group, or to all
    unknown_destination,  // to an address that no node of the ring has
};
struct outbound_decision {
    outbound_fault fault = outbound_fault::none;
    std::uint32_t node_id = 0;
    packet_type type = packet_type::bulk;
};
outbound_decision decide_outbound(std::span<const std::byte> bytes, const address_table& addresses,
                                  const knet_traits& knet) noexcept;

// A packet that a node sent over the volume: only from its own address and only to ours, so that a
// node can speak for nobody else and nothing is forwarded.
enum class inbound_fault { none, malformed, unknown_node, foreign_source, foreign_destination };
inbound_fault decide_inbound(std::uint32_t from, std::span<const std::byte> bytes,
                             const address_table& addresses) noexcept;

}  // namespace diskhb::daemon
