// SPDX-License-Identifier: BSD-3-Clause
// The part of netlink.hpp that [[route]] needs. Facts: rtnetlink(7), ip-rule(8), linux/fib_rules.h;
// net/ipv4/fib_trie.c, fib_table_insert: without NLM_F_EXCL, NLM_F_REPLACE and NLM_F_APPEND a route
// goes in front of others with its prefix and metric.
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "plugin/ring/netlink.hpp"
#include "plugin/ring/netlink_message.hpp"

namespace diskhb::daemon {

using namespace netlink_message;

namespace {

// Below those of the tables local (0) and above main (32766): ip-rule(8).
constexpr std::uint32_t local_rule_priority = 21600;
constexpr std::uint32_t carry_rule_priority = 21700;

std::uint32_t table_of(const prefix_route& route) {
    return route.table_id == 0 ? std::uint32_t{RT_TABLE_MAIN} : route.table_id;
}

void fill(request& message, const prefix_route& route) {
    const auto& destination = route.destination;
    auto& fixed = message.fixed<rtmsg>();
    fixed.rtm_family = family_of(destination.address);
    fixed.rtm_dst_len = destination.bits;
    fixed.rtm_table = static_cast<std::uint8_t>(table_of(route));
    fixed.rtm_protocol = carried_protocol;
    fixed.rtm_type = RTN_UNICAST;
    const bool is_link = !route.gateway && fixed.rtm_family == AF_INET;
    fixed.rtm_scope = is_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (destination.bits != 0) {
        message.put(RTA_DST, destination.address);
    }
    message.put(RTA_OIF, static_cast<std::uint32_t>(route.interface_index));
    if (route.gateway) {
        message.put(RTA_GATEWAY, *route.gateway);
    }
    if (route.metric != 0) {
        message.put(RTA_PRIORITY, route.metric);
    }
}

prefix_route route_of(const nlmsghdr& answer, std::uint8_t family) {
    const auto attributes = attribute_table::of<rtmsg>(answer);
    prefix_route route;
    route.destination.address.family =
        family == AF_INET ? corosync::ip_family::v4 : corosync::ip_family::v6;
    if (const auto destination = attributes.address(RTA_DST); destination) {
        route.destination.address = *destination;
    }
    route.destination.bits = fixed_part<rtmsg>(answer).rtm_dst_len;
    route.gateway = attributes.address(RTA_GATEWAY);
    route.source = attributes.address(RTA_PREFSRC);
    route.interface_index = static_cast<int>(attributes.number(RTA_OIF));
    route.metric = attributes.number(RTA_PRIORITY);
    const auto table = attributes.number(RTA_TABLE);
    route.table_id = table == RT_TABLE_MAIN ? 0 : table;
    return route;
}

// Rules match all that is given: two of them make "unless the main table knows a way" of what this
// host sends itself, whose input interface is lo (ip-rule(8)).
void fill_rule(request& message, const ip_address& destination, bool is_carry) {
    auto& fixed = message.fixed<fib_rule_hdr>();
    fixed.family = family_of(destination);
    fixed.dst_len = destination.host_prefix_bits();
    fixed.table = static_cast<std::uint8_t>(is_carry ? carried_table : RT_TABLE_MAIN);
    fixed.action = FR_ACT_TO_TBL;
    message.put(FRA_DST, destination);
    message.put(FRA_PRIORITY, is_carry ? carry_rule_priority : local_rule_priority);
    message.put(FRA_PROTOCOL, &carried_protocol, sizeof carried_protocol);
    if (!is_carry) {
        message.put(FRA_IIFNAME, std::string("lo"));
    }
}

}  // namespace

int netlink::add_prefix_route(const prefix_route& route) {
    request message(RTM_NEWROUTE, NLM_F_CREATE);
    fill(message, route);
    if (route.source) {
        message.put(RTA_PREFSRC, *route.source);
    }
    if (route.mtu_bytes != 0) {
        auto* metrics = mnl_attr_nest_start(&message.header(), RTA_METRICS);
        message.put(RTAX_MTU, route.mtu_bytes);
        mnl_attr_nest_end(&message.header(), metrics);
    }
    return talk(message.header(), [](const nlmsghdr&) {});
}

int netlink::remove_prefix_route(const prefix_route& route) {
    request message(RTM_DELROUTE, 0);
    fill(message, route);
    return talk(message.header(), [](const nlmsghdr&) {});
}

std::vector<prefix_route> netlink::prefix_routes() {
    std::vector<prefix_route> found;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        request message(RTM_GETROUTE, NLM_F_DUMP);
        auto& filter = message.fixed<rtmsg>();
        filter.rtm_family = family;
        filter.rtm_protocol = carried_protocol;
        talk(message.header(), [&](const nlmsghdr& answer) {
            const auto& fixed = fixed_part<rtmsg>(answer);
            if (answer.nlmsg_type != RTM_NEWROUTE || fixed.rtm_protocol != carried_protocol) {
                return;
            }
            found.push_back(route_of(answer, family));
        });
    }
    return found;
}

std::vector<prefix_route> netlink::foreign_routes(corosync::ip_family family) {
    std::vector<prefix_route> found;
    request message(RTM_GETROUTE, NLM_F_DUMP);
    const std::uint8_t wanted = family == corosync::ip_family::v4 ? AF_INET : AF_INET6;
    message.fixed<rtmsg>().rtm_family = wanted;
    talk(message.header(), [&](const nlmsghdr& answer) {
        const auto& fixed = fixed_part<rtmsg>(answer);
        if (answer.nlmsg_type == RTM_NEWROUTE && fixed.rtm_type == RTN_UNICAST &&
            fixed.rtm_family == wanted && fixed.rtm_protocol != carried_protocol &&
            (fixed.rtm_flags & RTM_F_CLONED) == 0) {
            if (auto route = route_of(answer, wanted); route.table_id == 0) {
                found.push_back(std::move(route));
            }
        }
    });
    return found;
}

int netlink::add_carry_rules(const ip_address& destination) {
    int result = EEXIST;
    for (const bool is_carry : {false, true}) {
        request message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
        fill_rule(message, destination, is_carry);
        const int error = talk(message.header(), [](const nlmsghdr&) {});
        if (error != EEXIST) {
            result = error;
        }
    }
    return result;
}

int netlink::remove_carry_rules(const ip_address& destination) {
    int result = 0;
    for (const bool is_carry : {true, false}) {
        request message(RTM_DELRULE, 0);
        fill_rule(message, destination, is_carry);
        const int error = talk(message.header(), [](const nlmsghdr&) {});
        result = error != 0 ? error : result;
    }
    return result;
}

std::vector<ip_address> netlink::carry_rules() {
    std::vector<ip_address> found;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        request message(RTM_GETRULE, NLM_F_DUMP);
        message.fixed<fib_rule_hdr>().family = family;
        talk(message.header(), [&](const nlmsghdr& answer) {
            const auto attributes = attribute_table::of<fib_rule_hdr>(answer);
            const auto* protocol = attributes.by_type[FRA_PROTOCOL];
            const auto destination = attributes.address(FRA_DST);
            if (answer.nlmsg_type == RTM_NEWRULE && protocol != nullptr && destination &&
                mnl_attr_get_u8(protocol) == carried_protocol &&
                std::count(found.begin(), found.end(), *destination) == 0) {
                found.push_back(*destination);
            }
        });
    }
    return found;
}

int netlink::find_way(const ip_address& destination, way_to& found) {
    request message(RTM_GETROUTE, 0);
    auto& fixed = message.fixed<rtmsg>();
    fixed.rtm_family = family_of(destination);
    fixed.rtm_dst_len = destination.host_prefix_bits();
    message.put(RTA_DST, destination);
    return talk(message.header(), [&](const nlmsghdr& answer) {
        const auto attributes = attribute_table::of<rtmsg>(answer);
        found.interface_index = static_cast<int>(attributes.number(RTA_OIF));
        found.on_link = fixed_part<rtmsg>(answer).rtm_type == RTN_UNICAST &&
                        attributes.by_type[RTA_GATEWAY] == nullptr;
    });
}

int netlink::find_entry(const ip_address& destination, route_entry& found) {
    request message(RTM_GETROUTE, 0);
    auto& fixed = message.fixed<rtmsg>();
    fixed.rtm_family = family_of(destination);
    fixed.rtm_dst_len = destination.host_prefix_bits();
    fixed.rtm_flags = RTM_F_FIB_MATCH;
    message.put(RTA_DST, destination);
    return talk(message.header(), [&](const nlmsghdr& answer) {
        const auto& entry = fixed_part<rtmsg>(answer);
        found.prefix_bits = entry.rtm_dst_len;
        found.is_unicast = entry.rtm_type == RTN_UNICAST;
        found.is_ours = entry.rtm_protocol == carried_protocol;
    });
}

}  // namespace diskhb::daemon
