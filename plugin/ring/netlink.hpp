// SPDX-License-Identifier: BSD-3-Clause
// The few rtnetlink requests that a ring's interface needs, over libmnl. One socket, one thread at
// a time; every request waits for the kernel's answer, at most two seconds. Facts: rtnetlink(7),
// linux/rtnetlink.h, linux/pkt_sched.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "diskhb/error.hpp"
#include "plugin/corosync/ip_address.hpp"
#include "plugin/ring/ip_prefix.hpp"

struct mnl_socket;
struct nlmsghdr;

namespace diskhb::daemon {

using corosync::ip_address;

// Marks the routes that are ours (rtm_protocol); no well-known daemon uses it.
inline constexpr std::uint8_t route_protocol = 216;
// Marks what [[route]] of diskhb.toml changes: routes, and rules with their table. All of it goes
// at stop and at the next start.
inline constexpr std::uint8_t carried_protocol = 217;
inline constexpr std::uint32_t carried_table = 217;

// So high that any other route wins, as long as there is one.
inline constexpr std::uint32_t guard_metric = 4000000000;

struct link_info {
    int index = 0;
    bool up = false;
    std::uint32_t mtu_bytes = 0;
    std::uint32_t queue_packets = 0;
    std::string kind;  // "tun", "veth", ...; empty for hardware
};

struct link_settings {
    std::optional<bool> up;
    std::optional<std::uint32_t> mtu_bytes;
    std::optional<std::uint32_t> queue_packets;
};

struct qdisc_info {
    std::string kind;                 // empty: none
    std::uint32_t limit_packets = 0;  // of pfifo
};

// A route of ours to one address.
struct host_route {
    ip_address destination;
    bool guard = false;  // unreachable, with guard_metric; else through the interface
    int interface_index = 0;
};

// A route of [[route]].
struct prefix_route {
    ip_prefix destination;
    std::optional<ip_address> gateway;
    int interface_index = 0;
    std::optional<ip_address> source;
    std::uint32_t mtu_bytes = 0;  // 0: the interface's
    std::uint32_t metric = 0;     // IPv6: at least 1
    std::uint32_t table_id = 0;   // 0: the main table
    bool operator==(const prefix_route&) const = default;
};

// How the kernel would reach an address.
struct way_to {
    int interface_index = 0;
    bool on_link = false;  // without a gateway
};

// The route by which it would.
struct route_entry {
    std::uint8_t prefix_bits = 0;
    bool is_unicast = false;  // not one of the host's own addresses
    bool is_ours = false;     // of [[route]]
};

// Functions return 0 or an errno value, and throw setup_error only when the kernel cannot be
// talked to at all.
class netlink {
  public:
    netlink();
    ~netlink();
    netlink(const netlink&) = delete;
    netlink& operator=(const netlink&) = delete;

    // ENODEV if there is no such interface.
    int find_link(const std::string& name, link_info& found);
    int set_link(int index, const link_settings& settings);
    // No link-local address of its own, hence no router solicitations on the ring.
    int disable_address_generation(int index);

    std::vector<ip_address> addresses(int index);
    // As /32 or /128. EEXIST if it is there.
    int add_address(int index, const ip_address& address);
    int remove_address(int index, const ip_address& address, std::uint8_t prefix_bits);

    // EEXIST if it is there. With replace, a route of somebody else to that address gives way.
    int add_route(const host_route& route, const ip_address& source, bool replace);
    int remove_route(const host_route& route);
    // All routes with our mark, of both IP versions.
    std::vector<host_route> own_routes();

    // In front of routes of others with its metric. EEXIST if just that one is there.
    int add_prefix_route(const prefix_route& route);
    int remove_prefix_route(const prefix_route& route);
    // All that [[route]] has set, in all tables and of both IP versions.
    std::vector<prefix_route> prefix_routes();

    // What is forwarded to an address is looked up in carried_table; what this host itself sends
    // there too, unless the main table knows a way. EEXIST if it is so already.
    int add_carry_rules(const ip_address& destination);
    int remove_carry_rules(const ip_address& destination);
    std::vector<ip_address> carry_rules();

    // ENETUNREACH and the like if there is no way.
    int find_way(const ip_address& destination, way_to& found);
    int find_entry(const ip_address& destination, route_entry& found);
    // The main table's, without those of [[route]]; one with several next hops has no interface.
    std::vector<prefix_route> foreign_routes(corosync::ip_family family);

    // The root queue discipline.
    qdisc_info root_qdisc(int index);
    int set_pfifo(int index, std::uint32_t limit_packets);

  private:
    using message_handler = std::function<void(const nlmsghdr&)>;
    // Sends and reads until the acknowledgement or the end of the dump.
    int talk(nlmsghdr& request, const message_handler& handler);

    mnl_socket* socket_ = nullptr;
    std::uint32_t sequence_ = 0;
};

}  // namespace diskhb::daemon
