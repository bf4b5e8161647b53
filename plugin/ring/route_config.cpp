// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_config.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <set>

#include "plugin/daemon/toml_section.hpp"

namespace diskhb::daemon {

namespace {

constexpr const char* section_name = "[[route]]";

std::string read_name(toml_section& section, std::size_t number) {
    const auto name = section.text("name").value_or(fmt::format("route-{}", number));
    const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '\\';
    });
    if (!printable || name.size() > route_name_bytes_max) {
        section.fail("name", fmt::format("must be 1 .. {} characters, none of them a blank, a "
                                         "quote or a backslash",
                                         route_name_bytes_max));
    }
    return name;
}

std::vector<ip_prefix> read_prefixes(toml_section& section) {
    const auto texts = section.texts("prefixes");
    if (!texts || texts->empty() || texts->size() > route_prefixes_most) {
        section.fail(
            section.has("prefixes") ? "prefixes" : "",
            fmt::format("'prefixes' must be an array of 1 .. {} texts like \"10.1.0.0/16\" "
                        "or \"0.0.0.0/0\"",
                        route_prefixes_most));
    }
    std::vector<ip_prefix> prefixes;
    for (const auto& text : *texts) {
        const auto prefix = parse_ip_prefix(text);
        if (!prefix) {
            section.fail("prefixes", fmt::format("\"{}\" is no prefix like \"10.1.0.0/16\": an "
                                                 "address, '/', how many bits count, and no bit "
                                                 "set behind them",
                                                 text));
        }
        if (!prefixes.empty() && prefix->address.family != prefixes.front().address.family) {
            section.fail("prefixes", "IPv4 and IPv6 need a [[route]] each");
        }
        if (std::count(prefixes.begin(), prefixes.end(), *prefix) != 0) {
            section.fail("prefixes", fmt::format("\"{}\" is given twice", text));
        }
        prefixes.push_back(*prefix);
    }
    return prefixes;
}

ip_address read_address(toml_section& section, const char* key, corosync::ip_family family,
                        const std::optional<ip_address>& fallback) {
    const auto text = section.text(key);
    if (!text) {
        if (!fallback) {
            section.fail("", fmt::format("'{}' is missing: an address", key));
        }
        return *fallback;
    }
    const auto address = corosync::parse_ip_address(*text);
    if (!address) {
        section.fail(key, "must be an IPv4 or IPv6 address, not a name");
    }
    if (address->family != family) {
        section.fail(key, "must be of the same IP version as the prefixes");
    }
    if (address->is_multicast() || address->is_loopback() || address->is_unspecified()) {
        section.fail(key, "must not be a multicast, loopback or zero address");
    }
    return *address;
}

std::string read_gateway_interface(toml_section& section, const route_config& route) {
    const auto name = section.text("interface").value_or("");
    if (name.size() >= IFNAMSIZ) {
        section.fail("interface", "is longer than a network interface's name can be");
    }
    if (name == route.ring || name == route.ring.substr(0, IFNAMSIZ - 2) + "r") {
        section.fail("interface", "is the ring's; it must be the network's, where the gateway is");
    }
    if (name.empty() && route.gateway.is_link_local()) {
        section.fail("gateway", "is link-local: 'interface' must say on which interface");
    }
    return name;
}

std::string read_ring(toml_section& section, const std::vector<std::string>& rings) {
    const auto name = section.text("ring");
    if (!name) {
        if (rings.size() > 1) {
            section.fail("", "there are several rings: 'ring' must name the interface of one");
        }
        return rings.front();
    }
    if (std::find(rings.begin(), rings.end(), *name) == rings.end()) {
        section.fail("ring", fmt::format("no [[ring]] has that interface; there are {}",
                                         fmt::join(rings, ", ")));
    }
    return *name;
}

std::vector<std::uint32_t> read_nodes(toml_section& section, const char* key,
                                      const corosync::corosync_conf& conf) {
    std::vector<std::uint32_t> nodes;
    const auto ids = section.integers(key, 1, corosync::node_id_max);
    if (section.has(key) && (!ids || ids->empty())) {
        section.fail(key, "must be an array of node ids like [1, 2]");
    }
    for (const auto id : ids.value_or(std::vector<std::int64_t>())) {
        const auto node_id = static_cast<std::uint32_t>(id);
        if (conf.find_node(node_id) == nullptr) {
            section.fail(key, fmt::format("there is no node {} in {}", node_id, conf.path));
        }
        if (std::count(nodes.begin(), nodes.end(), node_id) != 0) {
            section.fail(key, fmt::format("node {} is named twice", node_id));
        }
        nodes.push_back(node_id);
    }
    return nodes;
}

// The addresses of [route.sources], by the node ids that are their keys.
std::optional<ip_address> given_source(toml_section& sources, std::uint32_t node_id,
                                       corosync::ip_family family) {
    const auto key = std::to_string(node_id);
    const auto text = sources.text(key);
    if (!text) {
        return std::nullopt;
    }
    const auto address = corosync::parse_ip_address(*text);
    if (!address || address->family != family || address->is_multicast() ||
        address->is_loopback() || address->is_unspecified() || address->is_link_local()) {
        sources.fail(key,
                     "must be an address of that node, of the same IP version as the prefixes, "
                     "and not a multicast, loopback, link-local or zero address");
    }
    return address;
}

ip_address source_of(toml_section& section, toml_section& sources,
                     const corosync::corosync_conf& conf, const corosync::conf_node& node,
                     const route_config& route, const host_questions& host) {
    const auto family = route.prefixes.front().address.family;
    if (const auto given = given_source(sources, node.node_id, family); given) {
        return *given;
    }
    const auto& text = node.ring_address[0];
    const auto address = text.empty() ? std::nullopt : host.resolve(text, conf.totem.ip_version);
    if (!address || address->family != family) {
        section.fail("",
                     fmt::format("node {} has no {} address on link 0 of {}: give its address "
                                 "as sources.{} = \"ADDRESS\"",
                                 node.node_id, family == corosync::ip_family::v4 ? "IPv4" : "IPv6",
                                 conf.path, node.node_id));
    }
    return *address;
}

void read_users(toml_section& section, const toml_section* given,
                const corosync::corosync_conf& conf, const host_questions& host,
                route_config& route) {
    static const toml::table none;
    static const std::string no_file;
    toml_section sources = given != nullptr ? *given : toml_section(none, "sources", no_file);
    auto ids = read_nodes(section, "nodes", conf);
    if (ids.empty()) {
        for (const auto& node : conf.nodes) {
            if (!route.is_carrier(node.node_id)) {
                ids.push_back(node.node_id);
            }
        }
    }
    std::sort(ids.begin(), ids.end());
    for (const auto id : ids) {
        if (route.carriers.size() == 1 && route.carriers.front() == id) {
            section.fail("nodes", fmt::format("node {} has no other node to carry for it", id));
        }
        const auto source = source_of(section, sources, conf, *conf.find_node(id), route, host);
        if (std::any_of(route.users.begin(), route.users.end(),
                        [&](const auto& user) { return user.source == source; })) {
            section.fail("sources",
                         fmt::format("address {} is given twice", corosync::to_string(source)));
        }
        route.users.push_back({id, source});
    }
    if (route.users.empty()) {
        section.fail("", "no node uses it: all are carriers; name the users in 'nodes'");
    }
    sources.refuse_unknown_keys();
}

route_config read_route(toml_section& section, const toml_section* sources, std::size_t number,
                        const corosync::corosync_conf& conf, const host_questions& host,
                        const std::vector<std::string>& rings) {
    route_config route;
    route.name = read_name(section, number);
    route.prefixes = read_prefixes(section);
    const auto family = route.prefixes.front().address.family;
    route.ring = read_ring(section, rings);
    route.gateway = read_address(section, "gateway", family, std::nullopt);
    route.gateway_interface = read_gateway_interface(section, route);
    route.probe = read_address(section, "probe", family, route.gateway);
    route.carriers = read_nodes(section, "carriers", conf);
    if (route.carriers.empty()) {
        section.fail("",
                     "'carriers' is missing: the ids of the nodes that forward packets of the "
                     "others, in the order in which they are tried");
    }
    section.take_table("sources");
    read_users(section, sources, conf, host, route);
    route.probe_interval =
        std::chrono::milliseconds(section.integer("probe_interval_ms", 500, 50, 60000));
    route.down_after = static_cast<unsigned>(section.integer("down_after", 3, 1, 100));
    route.up_after = static_cast<unsigned>(section.integer("up_after", 5, 1, 100));
    section.refuse_unknown_keys();
    return route;
}

// Two ways for one prefix on one node would be decided by chance.
void refuse_twins(const toml_section& section, const std::vector<route_config>& routes,
                  const route_config& added) {
    for (const auto& other : routes) {
        if (other.name == added.name) {
            section.fail(section.has("name") ? "name" : "",
                         fmt::format("two routes have the name {}", added.name));
        }
        for (const auto& user : added.users) {
            const auto* theirs = other.user(user.node_id);
            if (theirs == nullptr) {
                continue;
            }
            for (const auto& prefix : added.prefixes) {
                if (std::count(other.prefixes.begin(), other.prefixes.end(), prefix) != 0) {
                    section.fail("prefixes",
                                 fmt::format("node {} has {} in the route {} too", user.node_id,
                                             to_string(prefix), other.name));
                }
            }
            if (theirs->source == user.source && other.ring != added.ring) {
                section.fail("ring", fmt::format("address {} of node {} goes over {} in the route "
                                                 "{}; one address can go over one ring only",
                                                 corosync::to_string(user.source), user.node_id,
                                                 other.ring, other.name));
            }
        }
    }
}

}  // namespace

const route_user* route_config::user(std::uint32_t node_id) const noexcept {
    const auto found = std::find_if(users.begin(), users.end(), [&](const route_user& each) {
        return each.node_id == node_id;
    });
    return found == users.end() ? nullptr : &*found;
}

bool route_config::is_carrier(std::uint32_t node_id) const noexcept {
    return std::find(carriers.begin(), carriers.end(), node_id) != carriers.end();
}

std::vector<ip_address> cluster_addresses(const corosync::corosync_conf& conf,
                                          const host_questions& host) {
    std::vector<ip_address> all;
    for (const auto& node : conf.nodes) {
        for (const auto& text : node.ring_address) {
            const auto address =
                text.empty() ? std::nullopt : host.resolve(text, conf.totem.ip_version);
            if (address) {
                all.push_back(*address);
            }
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<route_config> read_routes(const toml::table& root, const std::string& path,
                                      const corosync::corosync_conf& conf,
                                      const host_questions& host,
                                      const std::vector<std::string>& rings) {
    const toml_section top(root, "diskhb.toml", path);
    std::vector<route_config> routes;
    const auto* node = root.get("route");
    if (node == nullptr) {
        return routes;
    }
    const auto* tables = node->as_array();
    if (tables == nullptr || tables->empty() || !tables->is_homogeneous<toml::table>()) {
        top.fail("route", "must be tables: [[route]]");
    }
    if (tables->size() > routes_most) {
        top.fail("route", fmt::format("there are {} tables [[route]]; {} at most", tables->size(),
                                      routes_most));
    }
    for (const auto& element : *tables) {
        const auto& table = *element.as_table();
        toml_section section(table, section_name, path);
        const auto* sources_table = table.get_as<toml::table>("sources");
        if (section.has("sources") && sources_table == nullptr) {
            section.fail("sources", "must be a table of addresses by node id");
        }
        std::optional<toml_section> sources;
        if (sources_table != nullptr) {
            sources.emplace(*sources_table, "[route.sources]", path);
        }
        auto route = read_route(section, sources ? &*sources : nullptr, routes.size() + 1, conf,
                                host, rings);
        refuse_twins(section, routes, route);
        routes.push_back(std::move(route));
    }
    return routes;
}

std::string describe(const route_config& route, std::uint32_t node_id) {
    std::vector<std::string> prefixes;
    for (const auto& prefix : route.prefixes) {
        prefixes.push_back(to_string(prefix));
    }
    const auto destinations = fmt::format("{}", fmt::join(prefixes, ", "));
    std::string text;
    if (const auto* user = route.user(node_id); user != nullptr) {
        text += fmt::format(
            "route {}: {} from {} by gateway {} while {} answers (asked every {} ms, down after "
            "{}, "
            "up after {}), else over {} by node {}\n",
            route.name, destinations, corosync::to_string(user->source),
            corosync::to_string(route.gateway), corosync::to_string(route.probe),
            route.probe_interval.count(), route.down_after, route.up_after, route.ring,
            fmt::join(route.carriers, ", then "));
    }
    if (route.is_carrier(node_id)) {
        for (const auto& user : route.users) {
            if (user.node_id != node_id) {
                text += fmt::format("route {}: carried for node {}: {} from {}\n", route.name,
                                    user.node_id, destinations, corosync::to_string(user.source));
            }
        }
    }
    return text;
}

}  // namespace diskhb::daemon
