// SPDX-License-Identifier: BSD-3-Clause
// Which node of the list we are: exec/totemconfig.c of Corosync 3.1.7, find_local_node.
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "plugin/corosync/corosync_conf.hpp"

namespace diskhb::corosync {

namespace {

// Compares with name and ring0_addr of each node; with strip_domain, with what stands before
// their first dot.
const conf_node* find_by_name(const corosync_conf& conf, const std::string& wanted,
                              bool strip_domain) {
    const auto matches = [&](const std::string& text) {
        return !text.empty() && wanted == (strip_domain ? text.substr(0, text.find('.')) : text);
    };
    const auto found = std::find_if(
        conf.nodes.begin(), conf.nodes.end(),
        [&](const conf_node& node) { return matches(node.name) || matches(node.ring_address[0]); });
    return found == conf.nodes.end() ? nullptr : &*found;
}

const conf_node* find_by_address(const corosync_conf& conf, const host_identity& host) {
    const auto is_ours = [&](const std::string& text) {
        if (text.empty()) {
            return false;
        }
        auto address = parse_ip_address(text);
        if (!address) {
            address = resolve(text, conf.totem.ip_version);
        }
        return address && std::find(host.addresses.begin(), host.addresses.end(), *address) !=
                              host.addresses.end();
    };
    const auto found = std::find_if(
        conf.nodes.begin(), conf.nodes.end(),
        [&](const conf_node& node) { return is_ours(node.name) || is_ours(node.ring_address[0]); });
    return found == conf.nodes.end() ? nullptr : &*found;
}

}  // namespace

host_identity read_host_identity() {
    host_identity host;
    utsname names{};
    if (uname(&names) == 0) {
        host.node_name = names.nodename;
    }
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
        return host;
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr) {
            continue;
        }
        std::array<std::uint8_t, 16> bytes{};
        if (entry->ifa_addr->sa_family == AF_INET) {
            sockaddr_in v4{};
            std::memcpy(&v4, entry->ifa_addr, sizeof v4);
            std::memcpy(bytes.data(), &v4.sin_addr, 4);
            host.addresses.push_back(make_ip_address(std::span(bytes).first(4)));
        } else if (entry->ifa_addr->sa_family == AF_INET6) {
            sockaddr_in6 v6{};
            std::memcpy(&v6, entry->ifa_addr, sizeof v6);
            std::memcpy(bytes.data(), &v6.sin6_addr, 16);
            host.addresses.push_back(make_ip_address(bytes));
        }
    }
    return host;
}

const conf_node* find_local_node(const corosync_conf& conf, const host_identity& host) {
    std::string name = host.node_name;
    while (true) {
        if (const auto* node = find_by_name(conf, name, false); node != nullptr) {
            return node;
        }
        const auto dot = name.rfind('.');
        if (dot == std::string::npos) {
            break;
        }
        name.erase(dot);
    }
    if (const auto* node = find_by_name(conf, name, true); node != nullptr) {
        return node;
    }
    return find_by_address(conf, host);
}

}  // namespace diskhb::corosync
