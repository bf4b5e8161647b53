// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <set>
#include <sstream>

#include "io/same_place.hpp"

namespace diskhb::quorum {

namespace {

using corosync::conf_node;
using corosync::corosync_conf;
using daemon::toml_section;

// So large that every sum of them fits, and larger than any of them makes sense.
constexpr std::int64_t duration_ms_max = 600000;
constexpr std::int64_t heuristics_interval_ms_max = 86400000;
constexpr std::size_t commands_max = 32;

[[noreturn]] void fail_conf(const corosync_conf& conf, std::string_view path,
                            const std::string& reason) {
    const auto found = std::find_if(conf.items.rbegin(), conf.items.rend(),
                                    [&](const auto& item) { return item.path == path; });
    throw setup_error(exit_config, found == conf.items.rend()
                                       ? fmt::format("{}: {} {}", conf.path, path, reason)
                                       : fmt::format("{}:{}: {} = {} {}", conf.path, found->line,
                                                     path, found->value, reason));
}

// A number of corosync.conf; Corosync itself has refused the file if it is none.
std::optional<unsigned> find_number(const corosync_conf& conf, std::string_view path,
                                    unsigned maximum) {
    const auto text = conf.find(path);
    if (!text) {
        return std::nullopt;
    }
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value > maximum) {
        fail_conf(conf, path, fmt::format("must be a whole number of 0 .. {}", maximum));
    }
    return value;
}

milliseconds find_ms(const corosync_conf& conf, std::string_view path, milliseconds fallback) {
    const auto value = find_number(conf, path, static_cast<unsigned>(duration_ms_max));
    return value ? milliseconds(*value) : fallback;
}

// The nodes whose quorum_votes is given and is not 1. Items of a node have its position in the
// file, as `nodes` has.
std::vector<std::uint32_t> unequal_nodes(const corosync_conf& conf) {
    std::vector<std::uint32_t> unequal;
    for (std::size_t index = 0; index < conf.nodes.size(); ++index) {
        const auto path = fmt::format("nodelist.node.{}.quorum_votes", index);
        if (find_number(conf, path, 1000000).value_or(1) != 1) {
            unequal.push_back(conf.nodes[index].node_id);
        }
    }
    return unequal;
}

device_config read_device(const corosync_conf& conf) {
    device_config device;
    device.provider = conf.find("quorum.provider").value_or("");
    device.model = conf.find("quorum.device.model").value_or("");
    device.votes = find_number(conf, "quorum.device.votes", 1000000)
                       .value_or(static_cast<unsigned>(conf.nodes.size()) - 1);
    device.timeout = find_ms(conf, "quorum.device.timeout", device.timeout);
    device.sync_timeout = find_ms(conf, "quorum.device.sync_timeout", device.sync_timeout);
    for (const char* key :
         {"two_node", "auto_tie_breaker", "last_man_standing", "allow_downscale"}) {
        if (find_number(conf, fmt::format("quorum.{}", key), 1000000).value_or(0) != 0) {
            device.conflicts.emplace_back(key);
        }
    }
    device.expected_votes = find_number(conf, "quorum.expected_votes", 1000000);
    device.unequal_nodes = unequal_nodes(conf);
    return device;
}

mode read_mode(toml_section& section) {
    const auto word = section.text("mode").value_or(name_of(mode::last_man_standing));
    for (const mode each : {mode::last_man_standing, mode::tie_breaker}) {
        if (word == name_of(each)) {
            return each;
        }
    }
    section.fail("mode", "must be \"last-man-standing\" or \"tie-breaker\"");
}

tie_breaker read_ties(toml_section& section, const corosync_conf& conf) {
    tie_breaker ties;
    if (const auto list = section.integers("tie_breaker", 1, format::slots_max); list) {
        ties.by = tie_breaker::rule::list;
        for (const auto node_id : *list) {
            if (conf.find_node(static_cast<std::uint32_t>(node_id)) == nullptr) {
                section.fail("tie_breaker",
                             fmt::format("{} has no node with id {}", conf.path, node_id));
            }
            const auto slot = static_cast<slot_index>(node_id - 1);
            if (std::count(ties.list.begin(), ties.list.end(), slot) != 0) {
                section.fail("tie_breaker", fmt::format("names node {} twice", node_id));
            }
            ties.list.push_back(slot);
        }
        if (ties.list.empty()) {
            section.fail("tie_breaker", "names no node");
        }
        return ties;
    }
    constexpr const char* choices = "must be \"lowest\", \"highest\" or a list of node ids";
    if (!section.has("tie_breaker")) {
        return ties;
    }
    const auto word = section.text("tie_breaker");
    if (word != "lowest" && word != "highest") {
        section.fail("tie_breaker", choices);
    }
    ties.by = word == "lowest" ? tie_breaker::rule::lowest : tie_breaker::rule::highest;
    return ties;
}

// Those of the rings, where [quorum] names none.
std::vector<std::string> ring_volumes(const toml::table& root) {
    std::vector<std::string> volumes;
    if (const auto* rings = root.get_as<toml::array>("ring"); rings != nullptr) {
        for (const auto& ring : *rings) {
            const auto* table = ring.as_table();
            const auto* volume = table == nullptr ? nullptr : table->get_as<std::string>("volume");
            if (volume != nullptr) {
                volumes.push_back(volume->get());
            }
        }
    }
    return volumes;
}

// What only some nodes write to, and its copies: a lease there would hold on one site alone.
std::vector<std::string> replicated_volumes(const toml::table& root) {
    std::vector<std::string> volumes;
    const auto add = [&](const toml::node& of, const char* key) {
        const auto* table = of.as_table();
        const auto* path = table == nullptr ? nullptr : table->get_as<std::string>(key);
        if (path != nullptr) {
            volumes.push_back(path->get());
        }
    };
    const auto* rings = root.get_as<toml::array>("ring");
    for (std::size_t at = 0; rings != nullptr && at < rings->size(); ++at) {
        const auto& ring = *rings->get(at);
        add(ring, "send_volume");
        add(ring, "copy_target");
        const auto* areas =
            ring.is_table() ? ring.as_table()->get_as<toml::array>("receive") : nullptr;
        for (std::size_t area = 0; areas != nullptr && area < areas->size(); ++area) {
            add(*areas->get(area), "volume");
        }
    }
    return volumes;
}

void refuse_replicated(const toml_section& section, const std::string& path,
                       const std::vector<std::string>& replicated) {
    for (const auto& each : replicated) {
        if (io::is_same_place(path, each)) {
            section.fail("volumes",
                         fmt::format("{} is a send volume of a ring, or a copy of one: nodes of "
                                     "other sites do not write there, and both sites could be "
                                     "quorate; name volumes that all nodes reach",
                                     path));
        }
    }
}

std::vector<std::string> read_volumes(toml_section& section, const toml::table& root) {
    const auto given = section.texts("volumes");
    if (!given && section.has("volumes")) {
        section.fail("volumes", "must be a list of 1, 3 or 5 paths");
    }
    const auto volumes = given.value_or(ring_volumes(root));
    if (volumes.size() != 1 && volumes.size() != 3 && volumes.size() != 5) {
        section.fail(given ? "volumes" : "",
                     fmt::format("{} {} volumes; there must be 1, 3 or 5, so that a majority is "
                                 "left when one (of 3) or two (of 5) are lost{}",
                                 given ? "these are" : "the rings have", volumes.size(),
                                 given ? "" : ": name them in 'volumes'"));
    }
    const auto replicated = replicated_volumes(root);
    std::set<std::string> seen;
    for (const auto& path : volumes) {
        refuse_replicated(section, path, replicated);
        if (path.front() != '/') {
            section.fail("volumes", fmt::format("{} must be an absolute path, best one below "
                                                "/dev/disk/by-id",
                                                path));
        }
        if (!seen.insert(path).second) {
            section.fail("volumes",
                         fmt::format("names {} twice: two of one volume are no majority", path));
        }
    }
    return volumes;
}

void take_ms(toml_section& section, std::string_view key, milliseconds& target,
             std::int64_t maximum = duration_ms_max) {
    if (const auto value = section.integer(key, 0, maximum); value) {
        target = milliseconds(*value);
    }
}

// SBD_WATCHDOG_TIMEOUT of sbd(8): seconds, 5 where it is not given. The file is read by systemd as
// NAME=value, quotes allowed.
std::optional<milliseconds> watchdog_of(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    milliseconds timeout{5000};
    std::istringstream lines(text);
    constexpr std::string_view key = "SBD_WATCHDOG_TIMEOUT=";
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) {
            std::string value = line.substr(key.size());
            std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
            unsigned seconds = 0;
            std::from_chars(value.data(), value.data() + value.size(), seconds);
            timeout = std::chrono::seconds(seconds);
        }
    }
    // 0 turns the watchdog off.
    return timeout == milliseconds(0) ? std::nullopt : std::optional(timeout);
}

timings read_timings(toml_section& section, const corosync_conf& conf, const device_config& device,
                     const quorum_host& host) {
    timings times;
    take_ms(section, "interval_ms", times.interval);
    take_ms(section, "drop_ms", times.drop);
    take_ms(section, "take_ms", times.take);
    take_ms(section, "settle_ms", times.settle);
    take_ms(section, "margin_ms", times.margin);
    times.device_timeout = device.timeout;
    times.sync_timeout = device.sync_timeout;
    times.detection = milliseconds(conf.totem.token_ms + conf.totem.consensus_ms);
    times.watchdog = watchdog_of(host.sbd_config());
    return complete(times);
}

// Words are split at blanks; one with blanks in it stands in double quotes, in which a backslash
// takes the next character as it is.
std::vector<std::string> split_words(const std::string& line) {
    std::vector<std::string> words;
    std::istringstream input(line);
    for (std::string word; input >> std::quoted(word);) {
        words.push_back(word);
    }
    return words;
}

std::vector<heuristic> read_commands(const toml::table& table, const std::string& path) {
    toml_section section(table, "[quorum.heuristics.commands]", path);
    std::vector<heuristic> commands;
    for (const auto& [key, node] : table) {
        heuristic command{std::string(key.str()), split_words(section.required_text(key.str()))};
        if (command.words.empty() || command.words.front().front() != '/') {
            section.fail(key.str(), "must begin with the absolute path of a program");
        }
        commands.push_back(std::move(command));
    }
    if (commands.size() > commands_max) {
        section.fail(
            "", fmt::format("has {} commands; there may be {}", commands.size(), commands_max));
    }
    return commands;
}

heuristics_config read_heuristics(const toml::table& table, const std::string& path,
                                  const device_config& device) {
    using when = heuristics_config::when;
    toml_section section(table, "[quorum.heuristics]", path);
    heuristics_config config;
    const auto word = section.text("mode").value_or("off");
    if (word != "off" && word != "sync" && word != "on") {
        section.fail("mode", "must be \"off\", \"sync\" or \"on\"");
    }
    config.mode = word == "off" ? when::off : word == "sync" ? when::sync : when::on;
    config.interval = 3 * device.timeout;
    config.timeout = device.timeout / 2;
    config.sync_timeout = device.sync_timeout / 2;
    take_ms(section, "interval_ms", config.interval, heuristics_interval_ms_max);
    take_ms(section, "timeout_ms", config.timeout);
    take_ms(section, "sync_timeout_ms", config.sync_timeout);
    for (const auto& [key, value] :
         {std::pair("interval_ms", config.interval), std::pair("timeout_ms", config.timeout),
          std::pair("sync_timeout_ms", config.sync_timeout)}) {
        if (value < milliseconds(1)) {
            section.fail(key, "must not be 0");
        }
    }
    section.take_table("commands");
    config.commands = read_commands(daemon::sub_table(table, path, "commands"), path);
    section.refuse_unknown_keys();
    if (config.mode != when::off && config.commands.empty()) {
        section.fail("mode", "there is no command in [quorum.heuristics.commands]");
    }
    return config;
}

// A slot of the volume for each node id.
void check_node_ids(const corosync_conf& conf) {
    for (const conf_node& node : conf.nodes) {
        if (node.node_id > format::slots_max) {
            throw setup_error(exit_config,
                              fmt::format("{}:{}: node id {}: a volume has slots for node ids 1 .. "
                                          "{}; give the node a lower one",
                                          conf.path, node.line, node.node_id, format::slots_max));
        }
    }
}

std::string sbd_config() {
    // SBD runs, or systemd will start it together with Corosync.
    std::error_code ignored;
    const bool is_used = std::filesystem::exists("/run/sbd.pid", ignored) ||
                         std::filesystem::exists(
                             "/etc/systemd/system/corosync.service.requires/sbd.service", ignored);
    if (!is_used) {
        return {};
    }
    std::ifstream file(sbd_config_path, std::ios::binary);
    return "# sbd\n" + std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

const char* name_of(heuristics_config::when mode) noexcept {
    switch (mode) {
        case heuristics_config::when::sync:
            return "sync";
        case heuristics_config::when::on:
            return "on";
        case heuristics_config::when::off:
            break;
    }
    return "off";
}

quorum_host real_quorum_host() { return {daemon::real_host(), &sbd_config}; }

quorum_config parse_quorum_config(std::string_view text, const std::string& path,
                                  const quorum_host& host) {
    const auto root = daemon::parse_toml(text, path);
    const auto* node = root.get_as<toml::table>("quorum");
    if (node == nullptr) {
        throw setup_error(exit_config, fmt::format("{}: there is no table [quorum]; diskhb-quorumd "
                                                   "has nothing to do without it",
                                                   path));
    }
    const auto conf = daemon::read_cluster(root, path, host);
    check_node_ids(conf);
    const auto& local = daemon::local_node(conf, host);
    toml_section section(*node, "[quorum]", path);
    quorum_config config;
    config.path = path;
    config.corosync_conf_path = conf.path;
    config.control_socket = daemon::read_socket(section, quorum_socket_default);
    config.cluster_name = conf.totem.cluster_name;
    config.node_id = local.node_id;
    config.node_name = local.name;
    for (const conf_node& each : conf.nodes) {
        config.nodes.push_back({each.node_id, each.name});
    }
    config.volumes = read_volumes(section, root);
    config.how = read_mode(section);
    config.ties = read_ties(section, conf);
    config.score = static_cast<std::uint32_t>(section.integer("score", 0, 0, score_max));
    config.device = read_device(conf);
    config.times = read_timings(section, conf, config.device, host);
    section.take_table("heuristics");
    config.heuristics =
        read_heuristics(daemon::sub_table(*node, path, "heuristics"), path, config.device);
    section.refuse_unknown_keys();
    return config;
}

quorum_config read_quorum_config(const std::string& path, const quorum_host& host) {
    return parse_quorum_config(daemon::read_text(path), path, host);
}

}  // namespace diskhb::quorum
