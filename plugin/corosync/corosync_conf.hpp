// SPDX-License-Identifier: BSD-3-Clause
// corosync.conf as Corosync reads it: the text (exec/coroparse.c of Corosync 3.1.7) and the values
// that follow from it (exec/totemconfig.c). Read once at start; values, no state. parse functions
// are pure; read_corosync_conf and read_host_identity ask the system. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diskhb/error.hpp"
#include "plugin/corosync/ip_address.hpp"

namespace diskhb::corosync {

inline constexpr std::size_t link_count_max = 8;  // INTERFACE_MAX
inline constexpr std::uint32_t node_id_max = 65535;
inline constexpr std::uint16_t default_port = 5405;  // of link 0; link N uses default_port + N

// One "key: value" as it stands in the file, with the full path ("totem.token"). Keys in a node of
// the nodelist read "nodelist.node.0.name".
struct conf_item {
    std::string path;
    std::string value;
    unsigned line = 0;
};

struct totem_values {
    std::string cluster_name;  // empty when not given
    std::string transport = "knet";
    std::string link_mode = "passive";
    std::string crypto_cipher = "none";
    std::string crypto_hash = "none";
    ip_preference ip_version = ip_preference::v6_first;
    // In force: token is what the file says plus the coefficient for each node above two.
    std::uint32_t token_ms = 0;
    std::uint32_t token_coefficient_ms = 0;
    std::uint32_t token_retransmits_before_loss = 0;
    std::uint32_t token_retransmit_ms = 0;
    std::uint32_t hold_ms = 0;
    std::uint32_t join_ms = 0;
    std::uint32_t consensus_ms = 0;
    std::uint32_t merge_ms = 0;
    std::uint32_t knet_pmtud_interval_s = 0;
    std::uint32_t knet_mtu_bytes = 0;  // 0: found by path MTU discovery
    std::uint32_t netmtu_bytes = 0;    // 0: not given

    bool encrypted() const noexcept { return crypto_cipher != "none" || crypto_hash != "none"; }
};

// A knet link with the timers in force.
struct knet_link {
    bool configured = false;  // a node has an address on it, or it has an interface section
    std::uint16_t port = 0;
    std::uint8_t priority = 1;
    std::uint32_t ping_interval_ms = 0;
    std::uint32_t ping_timeout_ms = 0;
    std::uint32_t ping_precision = 0;
    std::uint32_t pong_count = 0;
    std::string transport = "udp";
    bool timers_given = false;  // interval and timeout stand in the file
};

struct conf_node {
    std::string name;                                      // empty when not given
    std::uint32_t node_id = 0;                             // 1 .. node_id_max
    std::array<std::string, link_count_max> ring_address;  // as written; empty: not on that link
    unsigned line = 0;                                     // where its section starts
};

struct corosync_conf {
    std::string path;
    totem_values totem;
    std::array<knet_link, link_count_max> links;
    std::vector<conf_node> nodes;
    std::vector<conf_item> items;  // everything, in the order of the file

    // The last value given for a path, as Corosync's map would hold it.
    std::optional<std::string> find(std::string_view item_path) const;
    const conf_node* find_node(std::uint32_t node_id) const noexcept;
};

// Throws setup_error(exit_config) with "PATH:LINE: what is wrong" for a file that Corosync would
// refuse to read, and for a nodelist that knet would refuse (no or equal node ids).
corosync_conf parse_corosync_conf(std::string_view text, const std::string& path);

// The same for a file. A file that cannot be read: exit_config, or exit_permission.
corosync_conf read_corosync_conf(const std::string& path);

// What tells a host which node of the list it is.
struct host_identity {
    std::string node_name;              // uname -n
    std::vector<ip_address> addresses;  // of all interfaces
};
host_identity read_host_identity();

// Finds ourselves as Corosync does (find_local_node): the host name, the host name with its domain
// cut step by step, the names of the list without their domain, then the addresses of our
// interfaces against name and ring0_addr. Not done: reverse look-ups of our addresses, which wait
// for a name server while the machine boots. Null if no node fits.
const conf_node* find_local_node(const corosync_conf& conf, const host_identity& host);

}  // namespace diskhb::corosync
