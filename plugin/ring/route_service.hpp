// SPDX-License-Identifier: BSD-3-Clause
// [[route]] at work: asks gateways, tells other daemons what they carry and hears what we carry for
// them, lets the policies decide and changes the kernel's routes by it. What it sets in the kernel
// has a protocol number of its own (netlink.hpp) and is removed at stop and at the next start. Main
// loop's thread, but for on_ring_datagram.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "plugin/ring/config.hpp"
#include "plugin/ring/datagram_inbox.hpp"
#include "plugin/ring/gateway_probe.hpp"
#include "plugin/ring/netlink.hpp"
#include "plugin/ring/route_message.hpp"
#include "plugin/ring/route_policy.hpp"
#include "plugin/ring/route_report.hpp"
#include "plugin/ring/running_ring.hpp"

namespace diskhb::daemon {

// Removes all that [[route]] has ever set in this network namespace.
void remove_all_carried(netlink& kernel);

class route_service {
  public:
    // All but `rings`' contents outlive the service. Throws setup_error.
    route_service(boost::asio::io_context& loop, const daemon_config& config,
                  const std::vector<std::unique_ptr<running_ring>>& rings, netlink& kernel,
                  spdlog::logger& log);

    void start();
    // Takes everything back and tells the carriers.
    void stop();

    // A datagram of a node's daemon; engine's threads. What is no message of ours is ignored.
    void on_ring_datagram(std::uint32_t from, std::span<const std::byte> bytes) noexcept {
        if (!config_.routes.empty()) {
            inbox_.put(from, bytes);
        }
    }

    std::vector<route_report> report() const;

  private:
    using nanoseconds = std::chrono::nanoseconds;
    // A route that this node uses.
    struct used_route {
        used_route(boost::asio::io_context& loop, const route_config& route, std::size_t position,
                   const route_user& user, running_ring& over);

        const route_config* const config;
        const std::size_t index;  // among all routes
        const ip_address source;
        running_ring* const ring;
        route_policy policy;
        gateway_probe probe;
        std::map<std::uint32_t, route_word> ready;  // what carriers said last
        nanoseconds next_probe{0};
        std::string interface;                   // towards the gateway; empty: not known yet
        std::vector<prefix_route> cluster_ways;  // set for Corosync's addresses
        std::set<std::string> errors;
    };
    // A route that this node carries for another.
    struct carried_route {
        const route_config* config = nullptr;
        route_user user;
        running_ring* ring = nullptr;
        route_word wanted;
        bool is_carried = false;
    };

    void wait_for_tick();
    void tick();
    void step(used_route& route, nanoseconds now);
    void apply(used_route& route, const route_policy::action& before);
    void tell(const used_route& route, const route_policy::action& before);
    std::vector<std::uint32_t> usable_carriers(const used_route& route, nanoseconds now) const;

    void find_gateway_interface(used_route& route);
    void keep_gateway_route(used_route& route);
    void keep_ring_route(used_route& route);
    void remove_ring_route(const used_route& route);
    prefix_route ring_route(const used_route& route, const ip_prefix& prefix) const;
    void keep_cluster_ways(used_route& route);
    std::vector<prefix_route> cluster_ways(const used_route& route);
    void note(used_route& route, const std::string& what, int error);

    void check_carried(nanoseconds now);
    void keep_carried();
    bool is_source_carried(const ip_address& source) const;
    void check_interfaces();
    void check_forwarding();
    bool can_carry(const route_config& route) const;

    void on_datagram(std::uint32_t from, std::span<const std::byte> bytes);
    void on_message(const route_message& message);
    void send_messages();
    void send_to(running_ring& ring, std::uint32_t node_id);
    const char* name_of(std::uint32_t node_id) const;

    boost::asio::io_context& loop_;
    const daemon_config& config_;
    const std::vector<std::unique_ptr<running_ring>>& rings_;
    netlink& kernel_;
    spdlog::logger& log_;
    boost::asio::steady_timer timer_;
    std::vector<std::unique_ptr<used_route>> used_;
    std::vector<carried_route> carried_;
    std::set<ip_address> rules_;                    // of sources that are carried now
    std::map<corosync::ip_family, bool> forwards_;  // whether this host does
    nanoseconds next_upkeep_{0};
    bool is_stopping_ = false;
    datagram_inbox inbox_;
};

}  // namespace diskhb::daemon
