// SPDX-License-Identifier: BSD-3-Clause
// What route_service sets in the kernel and takes back.
#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "plugin/ring/route_service.hpp"

namespace diskhb::daemon {

namespace {

// IPv6 knows no metric 0; ours are below every default (linux/ipv6_route.h: 1024).
std::uint32_t ring_metric(const ip_prefix& prefix) {
    return prefix.address.family == corosync::ip_family::v6 ? 1 : 0;
}
std::uint32_t gateway_metric(const ip_prefix& prefix) {
    return prefix.address.family == corosync::ip_family::v6 ? 2 : 0;
}

// Of the longest of the prefixes with that address.
std::optional<std::uint8_t> longest_bits(const std::vector<ip_prefix>& prefixes,
                                         const ip_address& address) {
    std::optional<std::uint8_t> longest;
    for (const auto& prefix : prefixes) {
        if (prefix.contains(address)) {
            longest = std::max(longest.value_or(0), prefix.bits);
        }
    }
    return longest;
}

// The route that the kernel would take: the longest, and of these that with the least metric.
const prefix_route* best_of(const std::vector<prefix_route>& routes, const ip_address& address) {
    const prefix_route* best = nullptr;
    for (const auto& each : routes) {
        if (each.destination.contains(address) &&
            (best == nullptr || each.destination.bits > best->destination.bits ||
             (each.destination.bits == best->destination.bits && each.metric < best->metric))) {
            best = &each;
        }
    }
    return best;
}

}  // namespace

void remove_all_carried(netlink& kernel) {
    for (const auto& destination : kernel.carry_rules()) {
        (void)kernel.remove_carry_rules(destination);
    }
    for (const auto& route : kernel.prefix_routes()) {
        (void)kernel.remove_prefix_route(route);
    }
}

void route_service::find_gateway_interface(used_route& route) {
    if (!route.config->gateway_interface.empty()) {
        return;
    }
    way_to way;
    std::array<char, IF_NAMESIZE> name{};
    // Through a gateway it is not the network that this one is on: that is not there now.
    if (kernel_.find_way(route.config->gateway, way) == 0 && way.on_link &&
        way.interface_index != route.ring->route_interface_index() &&
        if_indextoname(static_cast<unsigned>(way.interface_index), name.data()) != nullptr) {
        route.interface = name.data();
    }
}

void route_service::keep_gateway_route(used_route& route) {
    keep_cluster_ways(route);
    link_info link;
    if (route.interface.empty() || kernel_.find_link(route.interface, link) != 0 || !link.up) {
        return;
    }
    bool was_added = false;
    for (const auto& prefix : route.config->prefixes) {
        prefix_route wanted;
        wanted.destination = prefix;
        wanted.gateway = route.config->gateway;
        wanted.interface_index = link.index;
        wanted.source = route.source;
        wanted.metric = gateway_metric(prefix);
        const int error = kernel_.add_prefix_route(wanted);
        was_added = was_added || error == 0;
        note(route,
             fmt::format("{} by gateway {}", to_string(prefix),
                         corosync::to_string(route.config->gateway)),
             error);
    }
    // What is added last comes first.
    if (was_added && route.policy.current().carrier != 0) {
        remove_ring_route(route);
        keep_ring_route(route);
    }
}

prefix_route route_service::ring_route(const used_route& route, const ip_prefix& prefix) const {
    prefix_route wanted;
    wanted.destination = prefix;
    wanted.interface_index = route.ring->route_interface_index();
    wanted.source = route.source;
    wanted.metric = ring_metric(prefix);
    return wanted;
}

void route_service::keep_ring_route(used_route& route) {
    keep_cluster_ways(route);
    // Packets as large as on the network: a connection does not see the change of the way.
    link_info network;
    if (route.interface.empty() || kernel_.find_link(route.interface, network) != 0) {
        network.mtu_bytes = 0;
    }
    for (const auto& prefix : route.config->prefixes) {
        auto wanted = ring_route(route, prefix);
        wanted.mtu_bytes = std::min(network.mtu_bytes, route.ring->config().mtu_bytes);
        note(route, fmt::format("{} over {}", to_string(prefix), route.config->ring),
             kernel_.add_prefix_route(wanted));
    }
}

void route_service::remove_ring_route(const used_route& route) {
    for (const auto& prefix : route.config->prefixes) {
        (void)kernel_.remove_prefix_route(ring_route(route, prefix));
    }
}

// Corosync's packets do not go by a route: it may leave the network while that is well, and its
// gateway need not forward them. Mostly a longer route, that of a connected network, sees to that;
// where none does, each address gets one of its own, by the way that it has without us, for as long
// as that is so.
void route_service::keep_cluster_ways(used_route& route) {
    const auto wanted = cluster_ways(route);
    for (const auto& old : route.cluster_ways) {
        if (std::find(wanted.begin(), wanted.end(), old) == wanted.end()) {
            (void)kernel_.remove_prefix_route(old);
        }
    }
    for (const auto& way : wanted) {
        note(route,
             fmt::format("the way of Corosync to {}", corosync::to_string(way.destination.address)),
             kernel_.add_prefix_route(way));
    }
    route.cluster_ways = wanted;
}

std::vector<prefix_route> route_service::cluster_ways(const used_route& route) {
    std::vector<prefix_route> ways;
    std::optional<std::vector<prefix_route>> foreign;  // asked for when needed: there may be many
    for (const auto& address : config_.cluster_addresses) {
        const auto bits = longest_bits(route.config->prefixes, address);
        route_entry entry;
        if (!bits || (kernel_.find_entry(address, entry) == 0 &&
                      (!entry.is_unicast || (!entry.is_ours && entry.prefix_bits > *bits)))) {
            continue;
        }
        if (!foreign) {
            foreign = kernel_.foreign_routes(address.family);
        }
        const auto* best = best_of(*foreign, address);
        if (best != nullptr && best->destination.bits <= *bits && best->interface_index != 0) {
            prefix_route way;
            way.destination = {address, address.host_prefix_bits()};
            way.gateway = best->gateway;
            way.interface_index = best->interface_index;
            way.metric = gateway_metric(way.destination);
            ways.push_back(way);
        }
    }
    return ways;
}

// Each error once, until it is gone.
void route_service::note(used_route& route, const std::string& what, int error) {
    if (error == 0 || error == EEXIST) {
        route.errors.erase(what);
        return;
    }
    if (route.errors.insert(what).second) {
        log_.error(
            "route {}: {} cannot be set: {}{}", route.config->name, what, std::strerror(error),
            error == EINVAL
                ? fmt::format("; is {} an address of this host?", corosync::to_string(route.source))
                : std::string());
    }
}

// The kernel forwards what comes back from outside into the ring, for those who use it now.
void route_service::keep_carried() {
    for (const auto& each : carried_) {
        const auto& source = each.user.source;
        prefix_route way;
        way.destination = {source, source.host_prefix_bits()};
        way.interface_index = each.ring->route_interface_index();
        way.metric = ring_metric(way.destination);
        way.table_id = carried_table;
        if (is_source_carried(source)) {
            const int error = kernel_.add_prefix_route(way);
            const int rule_error = kernel_.add_carry_rules(source);
            for (const int one : {error, rule_error}) {
                if (one != 0 && one != EEXIST) {
                    log_.error("route {}: packets for {} cannot be led into the ring: {}",
                               each.config->name, corosync::to_string(source), std::strerror(one));
                }
            }
            rules_.insert(source);
        } else if (rules_.erase(source) != 0) {
            (void)kernel_.remove_carry_rules(source);
            (void)kernel_.remove_prefix_route(way);
        }
    }
}

}  // namespace diskhb::daemon
