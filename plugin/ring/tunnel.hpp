// SPDX-License-Identifier: BSD-3-Clause
// Carries packets between the TUN and the ring engine. Outbound: a thread of its own that always
// reads, whatever becomes of the packets, because a TUN that nobody drains can stop all links of
// Corosync (libknet 1.25, transport_udp.c: it retries for ever on ENOBUFS). Inbound: deliver(), on
// the engine's receiver thread. Neither allocates.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "diskhb/node.hpp"
#include "plugin/ring/packet.hpp"
#include "plugin/ring/tun_reader.hpp"

namespace diskhb::daemon {

// The enumerator, which is the name in `diskhb status --json`, and what it counts.
#define DISKHB_TUNNEL_COUNTERS(X)                                                          \
    X(packets_read, "packets that the host sent into the interface")                       \
    X(bytes_read, "their bytes")                                                           \
    X(packets_control, "of these, knet's pings and ICMP, taken by the ring")               \
    X(packets_cluster, "of these, Corosync's traffic, taken by the ring")                  \
    X(packets_bulk, "of these, everything else, taken by the ring")                        \
    X(dropped_malformed, "dropped: no IP packet, or of another length than it says")       \
    X(dropped_foreign_source, "dropped: not sent from the ring address of this node")      \
    X(dropped_multicast, "dropped: sent to a group or to all")                             \
    X(dropped_unknown_destination, "dropped: no node has that ring address")               \
    X(dropped_by_engine, "dropped by the ring engine: queue full, volume not there, ...")  \
    X(read_errors, "reads that the interface failed")                                      \
    X(packets_written, "packets of peers handed to the host")                              \
    X(bytes_written, "their bytes")                                                        \
    X(refused_malformed, "packets of peers refused: no IP packet, or of another length")   \
    X(refused_unknown_node, "packets refused: from a node that is not in the nodelist")    \
    X(refused_foreign_source, "packets refused: from another address than that node's")    \
    X(refused_foreign_destination, "packets refused: to another address than this node's") \
    X(write_errors, "packets that the interface did not take")

enum class tunnel_counter : std::size_t {
#define DISKHB_TUNNEL_COUNTER_VALUE(name, help) name,
    DISKHB_TUNNEL_COUNTERS(DISKHB_TUNNEL_COUNTER_VALUE)
#undef DISKHB_TUNNEL_COUNTER_VALUE
        count_
};
inline constexpr std::size_t tunnel_counter_count =
    static_cast<std::size_t>(tunnel_counter::count_);
const char* tunnel_counter_name(tunnel_counter which) noexcept;

using tunnel_statistics = std::array<std::uint64_t, tunnel_counter_count>;

class tunnel {
  public:
    // Takes a datagram without waiting: node::submit.
    using submit_function = std::function<boost::system::error_code(
        std::uint32_t to, packet_type type, std::span<const std::byte> payload)>;

    // `fd` does not block, gives one packet a read, and outlives the tunnel.
    tunnel(std::string interface, int fd, address_table addresses, const knet_traits& knet);
    ~tunnel();  // stops
    tunnel(const tunnel&) = delete;
    tunnel& operator=(const tunnel&) = delete;

    // Asked about packets of nodes that are not from their ring address or not to ours, on the
    // engine's receiver thread: true if they were taken. Before start().
    using foreign_function =
        std::function<bool(std::uint32_t from, std::span<const std::byte> packet)>;
    void set_foreign(foreign_function foreign) { foreign_ = std::move(foreign); }

    // Starts reading. `submit` is called on the reader's thread. Once.
    void start(submit_function submit);
    // Ends the reader; at once, since it waits for nothing but packets.
    void stop();

    // A datagram of a node, on the engine's receiver thread: checked, then written to the TUN.
    void deliver(std::uint32_t from, std::span<const std::byte> packet) noexcept;

    tunnel_statistics statistics() const noexcept;  // any thread

  private:
    void handle(std::span<const std::byte> packet) noexcept;
    void count(tunnel_counter which, std::uint64_t amount = 1) noexcept;

    const int fd_;
    const address_table addresses_;
    const knet_traits knet_;
    submit_function submit_;
    foreign_function foreign_;
    // Each is written by one thread only, the reader or the receiver, and read by any.
    std::array<std::atomic<std::uint64_t>, tunnel_counter_count> counters_{};
    tun_reader reader_;
};

}  // namespace diskhb::daemon
