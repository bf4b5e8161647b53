// SPDX-License-Identifier: BSD-3-Clause
// diskhb.toml together with corosync.conf: everything diskhbd does follows from these values.
// Built once at start, never changed. Errors are setup_error(exit_config), one line each, with
// the place in the file. diskhb.toml(5) is the description for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "diskhb/node.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "plugin/ring/packet.hpp"
#include "plugin/ring/route_config.hpp"
#include "plugin/ring/volume_roles.hpp"

namespace diskhb::daemon {

inline constexpr const char* socket_path_default = "/run/diskhb/diskhbd.sock";
inline constexpr const char* copy_socket_path_default = "/run/diskhb/diskhb-copyd.sock";
inline constexpr const char* interface_default = "dhb0";

// For requests of other nodes; only where a ring has copies.
inline constexpr std::uint16_t request_port_default = 5420;

// Of the TUN. knet cuts Corosync's messages to it, so it decides the throughput of large ones.
inline constexpr std::uint32_t mtu_bytes_default = 16000;
// What the TUN and its queue discipline hold while the reader is busy.
inline constexpr std::uint32_t queue_packets_default = 4000;

// What waits of [[route]], in each of two buffers: enough for TCP, and at 10 MB/s a tenth of a
// second.
inline constexpr std::size_t routed_queue_bytes_default = 1 << 20;

// A frame must not outlive a fraction of knet's ping timeout: a backlog that knet gave up long ago
// harms totem more than the loss (libknet 1.25, host.c: old sequence numbers reset the window that
// finds duplicates).
inline constexpr std::uint32_t ttl_fraction_of_ping_timeout = 8;
inline constexpr std::chrono::milliseconds ttl_default_min{50};
inline constexpr std::chrono::milliseconds ttl_default_max{500};

struct ring_peer {
    std::uint32_t node_id = 0;
    std::string name;  // of corosync.conf; empty when not given
    ip_address address;
};

// A node's address on link 0, the network that is there besides the rings.
struct network_address {
    std::uint32_t node_id = 0;
    ip_address address;
};

struct ring_config {
    std::string interface;
    std::string route_interface;  // for packets of [[route]]; there only if a route uses the ring
    unsigned link = 0;            // Corosync's link number
    std::string volume;           // the send volume
    volume_roles roles;
    std::uint32_t mtu_bytes = mtu_bytes_default;
    std::uint32_t queue_packets = queue_packets_default;
    ip_address address;            // ours, /32 or /128
    std::vector<ring_peer> peers;  // all other nodes
    knet_traits knet;
    node_options engine;  // without on_datagram
};

struct daemon_config {
    std::string corosync_conf_path;
    std::string control_socket;
    std::string copy_socket;         // of diskhb-copyd
    std::uint16_t request_port = 0;  // UDP, for requests of other nodes to copy now; 0: none
    bool realtime = false;
    std::string cluster_name;
    std::uint32_t node_id = 0;
    std::string node_name;
    std::vector<network_address> network;  // of all nodes, ours too, as far as they are known
    std::vector<ring_config> rings;
    std::vector<route_config> routes;           // also those that this node has no part in
    std::vector<ip_address> cluster_addresses;  // of all nodes on all links; sorted
};

// Whether any ring has volumes that are copies.
bool has_copies(const daemon_config& config) noexcept;

daemon_config parse_config(std::string_view text, const std::string& path,
                           const host_questions& host);
// The same for a file. exit_permission if it may not be read.
daemon_config read_config(const std::string& path, const host_questions& host);

// Some lines for people: what the daemon would do. For `diskhbd --check` and the log.
std::string describe(const daemon_config& config);

}  // namespace diskhb::daemon
