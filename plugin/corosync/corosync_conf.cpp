// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/corosync_conf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

#include "plugin/corosync/conf_text.hpp"

namespace diskhb::corosync {

namespace {

// Defaults of exec/totemconfig.c.
constexpr std::uint32_t token_ms_default = 3000;
constexpr std::uint32_t token_coefficient_ms_default = 650;
constexpr std::uint32_t retransmits_before_loss_default = 4;
constexpr std::uint32_t join_ms_default = 50;
constexpr std::uint32_t merge_ms_default = 200;
constexpr std::uint32_t pmtud_interval_s_default = 30;
constexpr std::uint32_t ping_precision_default = 2048;
constexpr std::uint32_t pong_count_default = 2;

// A whole number as strtoll of base 10 accepts it: leading sign, no trailing character.
std::uint32_t number_of(const conf_item& item, const std::string& path, std::uint32_t maximum) {
    const char* first = item.value.data();
    const char* last = first + item.value.size();
    if (first != last && *first == '+') {
        ++first;
    }
    long long value = 0;
    const auto [end, error] = std::from_chars(first, last, value);
    if (error != std::errc() || end != last || first == last || value < 0 || value > maximum) {
        throw_conf_error(path, item.line,
                         fmt::format("Value of key \"{}\" is expected to be integer in range "
                                     "(0..{}), but \"{}\" was given",
                                     item.path, maximum, item.value));
    }
    return static_cast<std::uint32_t>(value);
}

// Last value wins, as in Corosync's map.
class item_finder {
  public:
    item_finder(const std::vector<conf_item>& items, const std::string& path)
        : items_(items), path_(path) {}

    const conf_item* find(std::string_view item_path) const {
        const auto found = std::find_if(items_.rbegin(), items_.rend(), [&](const conf_item& item) {
            return item.path == item_path;
        });
        return found == items_.rend() ? nullptr : &*found;
    }

    std::string text(std::string_view item_path, std::string fallback) const {
        const auto* item = find(item_path);
        return item == nullptr ? std::move(fallback) : item->value;
    }

    // A zero counts as "not given" for most values of totem.
    std::uint32_t number(std::string_view item_path, std::uint32_t fallback,
                         std::uint32_t maximum = UINT32_MAX) const {
        const auto* item = find(item_path);
        const auto value = item == nullptr ? 0 : number_of(*item, path_, maximum);
        return value == 0 ? fallback : value;
    }

    // One of a list of words, else an error with its line.
    std::string word(std::string_view item_path, std::string fallback,
                     std::initializer_list<std::string_view> allowed) const {
        const auto* item = find(item_path);
        if (item == nullptr) {
            return fallback;
        }
        if (std::find(allowed.begin(), allowed.end(), item->value) == allowed.end()) {
            throw_conf_error(
                path_, item->line,
                fmt::format("Value of key \"{}\" is \"{}\", expected one of: {}", item->path,
                            item->value, fmt::join(allowed.begin(), allowed.end(), ", ")));
        }
        return item->value;
    }

  private:
    const std::vector<conf_item>& items_;
    const std::string& path_;
};

// Interface sections are numbered by their "linknumber" key; those without are link 0. Renames
// their items from position to link number, so that items reads like Corosync's map.
void number_interfaces(conf_text& text, const std::string& path) {
    for (const auto& section : text.sections) {
        if (section.path.compare(0, 16, "totem.interface.") != 0) {
            continue;
        }
        const item_finder finder(text.items, path);
        const auto* item = finder.find(section.path + ".linknumber");
        const auto number = item == nullptr ? 0 : number_of(*item, path, UINT8_MAX);
        if (number >= link_count_max) {
            throw_conf_error(path, item->line,
                             fmt::format("interface ring number {} is bigger than allowed "
                                         "maximum {}",
                                         number, link_count_max - 1));
        }
        // "link" in place of "interface" until all are renamed: positions and numbers may cross.
        const auto prefix = section.path + ".";
        for (auto& entry : text.items) {
            if (entry.path.compare(0, prefix.size(), prefix) == 0) {
                entry.path =
                    fmt::format("totem.link.{}.{}", number, entry.path.substr(prefix.size()));
            }
        }
    }
    for (auto& entry : text.items) {
        if (entry.path.compare(0, 11, "totem.link.") == 0) {
            entry.path = "totem.interface." + entry.path.substr(11);
        }
    }
}

std::vector<conf_node> read_nodes(const conf_text& text, const std::string& path) {
    std::vector<conf_node> nodes;
    const item_finder finder(text.items, path);
    for (const auto& section : text.sections) {
        if (section.path.compare(0, 14, "nodelist.node.") != 0) {
            continue;
        }
        conf_node node;
        node.line = section.line;
        node.name = finder.text(section.path + ".name", "");
        node.node_id = finder.number(section.path + ".nodeid", 0);
        for (std::size_t link = 0; link < link_count_max; ++link) {
            node.ring_address[link] =
                finder.text(fmt::format("{}.ring{}_addr", section.path, link), "");
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

void check_nodes(const std::vector<conf_node>& nodes, const std::string& path) {
    for (const auto& node : nodes) {
        if (node.node_id == 0) {
            throw_conf_error(path, node.line, "Knet requires an explicit nodeid for this node");
        }
        if (node.node_id > node_id_max) {
            throw_conf_error(path, node.line,
                             fmt::format("Knet requires nodeid to be less than {}, but {} was "
                                         "given",
                                         node_id_max + 1, node.node_id));
        }
        for (const auto& other : nodes) {
            if (&other != &node && other.node_id == node.node_id && other.line < node.line) {
                throw_conf_error(path, node.line,
                                 fmt::format("Nodeid {} appears twice", node.node_id));
            }
        }
    }
}

ip_preference preference_of(const std::string& ip_version) {
    if (ip_version == "ipv4") {
        return ip_preference::v4_only;
    }
    if (ip_version == "ipv6") {
        return ip_preference::v6_only;
    }
    return ip_version == "ipv4-6" ? ip_preference::v4_first : ip_preference::v6_first;
}

void read_crypto(const item_finder& finder, totem_values& totem) {
    if (finder.text("totem.secauth", "off") == "on") {
        totem.crypto_cipher = "aes256";
        totem.crypto_hash = "sha256";
    }
    totem.crypto_cipher = finder.word("totem.crypto_cipher", totem.crypto_cipher,
                                      {"none", "aes256", "aes192", "aes128"});
    totem.crypto_hash = finder.word("totem.crypto_hash", totem.crypto_hash,
                                    {"none", "md5", "sha1", "sha256", "sha384", "sha512"});
}

// The token grows with the nodes that have an address on link 0 (totem_volatile_config_read).
void read_token(const item_finder& finder, const std::vector<conf_node>& nodes,
                totem_values& totem) {
    totem.token_ms = finder.number("totem.token", token_ms_default);
    const auto* coefficient = finder.find("totem.token_coefficient");
    totem.token_coefficient_ms = coefficient == nullptr
                                     ? token_coefficient_ms_default
                                     : finder.number("totem.token_coefficient", 0);
    const auto on_link_0 = static_cast<std::uint32_t>(
        std::count_if(nodes.begin(), nodes.end(),
                      [](const conf_node& node) { return !node.ring_address[0].empty(); }));
    if (on_link_0 > 2) {
        totem.token_ms += (on_link_0 - 2) * totem.token_coefficient_ms;
    }
}

totem_values read_totem(const item_finder& finder, const std::vector<conf_node>& nodes) {
    totem_values totem;
    totem.cluster_name = finder.text("totem.cluster_name", "");
    totem.transport = finder.word("totem.transport", "knet", {"knet", "udp", "udpu"});
    totem.link_mode = finder.word("totem.link_mode", "passive", {"passive", "active", "rr"});
    totem.ip_version = preference_of(
        finder.word("totem.ip_version", "ipv6-4", {"ipv4", "ipv6", "ipv6-4", "ipv4-6"}));
    read_crypto(finder, totem);
    read_token(finder, nodes, totem);
    totem.token_retransmits_before_loss =
        finder.number("totem.token_retransmits_before_loss_const", retransmits_before_loss_default);
    const auto retransmit = totem.token_ms / (totem.token_retransmits_before_loss + 0.2);
    totem.token_retransmit_ms =
        finder.number("totem.token_retransmit", static_cast<std::uint32_t>(retransmit));
    // 1000 / HZ of Corosync is 10 ms.
    const auto hold = std::max(0.0, totem.token_retransmit_ms * 0.8 - 10);
    totem.hold_ms = finder.number("totem.hold", static_cast<std::uint32_t>(hold));
    totem.join_ms = finder.number("totem.join", join_ms_default);
    totem.consensus_ms =
        finder.number("totem.consensus", static_cast<std::uint32_t>(1.2 * totem.token_ms));
    totem.merge_ms = finder.number("totem.merge", merge_ms_default);
    totem.knet_pmtud_interval_s =
        finder.number("totem.knet_pmtud_interval", pmtud_interval_s_default);
    totem.knet_mtu_bytes = finder.number("totem.knet_mtu", 0);
    totem.netmtu_bytes = finder.number("totem.netmtu", 0);
    return totem;
}

knet_link read_link(const item_finder& finder, std::size_t number, std::uint32_t token_ms) {
    const auto key = [&](const char* name) {
        return fmt::format("totem.interface.{}.{}", number, name);
    };
    knet_link link;
    link.port = static_cast<std::uint16_t>(
        finder.number(key("mcastport"), default_port + static_cast<std::uint32_t>(number), 65535));
    link.priority =
        static_cast<std::uint8_t>(finder.number(key("knet_link_priority"), 1, UINT8_MAX));
    link.transport = finder.word(key("knet_transport"), "udp", {"udp", "sctp"});
    link.ping_precision = finder.number(key("knet_ping_precision"), ping_precision_default);
    link.pong_count = finder.number(key("knet_pong_count"), pong_count_default);
    link.ping_timeout_ms = finder.number(key("knet_ping_timeout"), token_ms / link.pong_count);
    link.ping_interval_ms =
        finder.number(key("knet_ping_interval"),
                      static_cast<std::uint32_t>(token_ms / (std::uint64_t{link.pong_count} * 2)));
    link.timers_given = finder.find(key("knet_ping_timeout")) != nullptr &&
                        finder.find(key("knet_ping_interval")) != nullptr;
    return link;
}

bool has_interface_section(const conf_text& text, std::size_t number) {
    const auto prefix = fmt::format("totem.interface.{}.", number);
    return std::any_of(text.items.begin(), text.items.end(), [&](const conf_item& item) {
        return item.path.compare(0, prefix.size(), prefix) == 0;
    });
}

}  // namespace

std::optional<std::string> corosync_conf::find(std::string_view item_path) const {
    const auto* item = item_finder(items, path).find(item_path);
    return item == nullptr ? std::nullopt : std::optional(item->value);
}

const conf_node* corosync_conf::find_node(std::uint32_t node_id) const noexcept {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const conf_node& node) { return node.node_id == node_id; });
    return found == nodes.end() ? nullptr : &*found;
}

corosync_conf parse_corosync_conf(std::string_view text, const std::string& path) {
    auto parsed = parse_conf_text(text, path);
    number_interfaces(parsed, path);
    corosync_conf conf;
    conf.path = path;
    conf.nodes = read_nodes(parsed, path);
    check_nodes(conf.nodes, path);
    const item_finder finder(parsed.items, path);
    conf.totem = read_totem(finder, conf.nodes);
    for (std::size_t number = 0; number < link_count_max; ++number) {
        auto& link = conf.links[number];
        link = read_link(finder, number, conf.totem.token_ms);
        link.configured =
            has_interface_section(parsed, number) ||
            std::any_of(conf.nodes.begin(), conf.nodes.end(),
                        [&](const conf_node& node) { return !node.ring_address[number].empty(); });
    }
    conf.items = std::move(parsed.items);
    return conf;
}

corosync_conf read_corosync_conf(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text;
    if (file) {
        text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (!file || file.bad()) {
        const int error = errno == 0 ? EIO : errno;
        throw setup_error(error == EACCES || error == EPERM ? exit_permission : exit_config,
                          fmt::format("{}: cannot be read: {}; diskhb takes the nodes and their "
                                      "addresses from it",
                                      path, std::strerror(error)));
    }
    return parse_corosync_conf(text, path);
}

}  // namespace diskhb::corosync
