// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_table.hpp"

#include <algorithm>
#include <utility>

namespace diskhb::daemon {

route_table::route_table(const std::vector<route_config>& routes, const std::string& ring,
                         std::uint32_t node_id, std::vector<ip_address> cluster)
    : cluster_(std::move(cluster)) {
    std::sort(cluster_.begin(), cluster_.end());
    for (std::size_t index = 0; index < routes.size(); ++index) {
        const auto& route = routes[index];
        if (route.ring != ring) {
            continue;
        }
        for (const auto& user : route.users) {
            for (const auto& prefix : route.prefixes) {
                if (user.node_id == node_id) {
                    uses_.push_back({prefix, user.source, index, route.carriers});
                } else if (route.is_carrier(node_id)) {
                    carries_.push_back({user.node_id, user.source, prefix});
                }
            }
        }
    }
    std::stable_sort(uses_.begin(), uses_.end(), [](const use& one, const use& other) {
        return one.prefix.bits > other.prefix.bits;
    });
}

bool route_table::is_of_cluster(const ip_address& address) const noexcept {
    return std::binary_search(cluster_.begin(), cluster_.end(), address);
}

route_fault route_table::check_addresses(const ip_packet& packet) const noexcept {
    for (const auto* address : {&packet.source, &packet.destination}) {
        if (address->is_multicast() || address->is_loopback() || address->is_link_local() ||
            address->is_unspecified()) {
            return route_fault::local_address;
        }
    }
    return is_of_cluster(packet.source) && is_of_cluster(packet.destination)
               ? route_fault::cluster_address
               : route_fault::none;
}

route_decision route_table::decide_outbound(std::span<const std::byte> bytes) const noexcept {
    const auto packet = parse_ip_packet(bytes);
    if (!packet) {
        return {route_fault::malformed};
    }
    if (const auto fault = check_addresses(*packet); fault != route_fault::none) {
        return {fault};
    }
    for (const use& each : uses_) {
        if (each.source == packet->source && each.prefix.contains(packet->destination)) {
            const auto node_id = carriers_[each.route].load(std::memory_order_relaxed);
            return {node_id == 0 ? route_fault::no_carrier : route_fault::none, node_id};
        }
    }
    for (const carry& each : carries_) {
        if (each.source == packet->destination && each.prefix.contains(packet->source)) {
            return {route_fault::none, each.node_id};
        }
    }
    return {route_fault::not_configured};
}

route_fault route_table::decide_inbound(std::uint32_t from,
                                        std::span<const std::byte> bytes) const noexcept {
    const auto packet = parse_ip_packet(bytes);
    if (!packet) {
        return route_fault::malformed;
    }
    if (const auto fault = check_addresses(*packet); fault != route_fault::none) {
        return fault;
    }
    for (const carry& each : carries_) {
        if (each.node_id == from && each.source == packet->source &&
            each.prefix.contains(packet->destination)) {
            return route_fault::none;
        }
    }
    for (const use& each : uses_) {
        if (each.source == packet->destination && each.prefix.contains(packet->source) &&
            std::find(each.carriers.begin(), each.carriers.end(), from) != each.carriers.end()) {
            return route_fault::none;
        }
    }
    return route_fault::not_configured;
}

}  // namespace diskhb::daemon
