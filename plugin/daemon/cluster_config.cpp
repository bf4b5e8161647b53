// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/cluster_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace diskhb::daemon {

namespace {

constexpr std::size_t socket_path_bytes_max = 107;  // sun_path of unix(7)
constexpr std::array<std::string_view, 6> known_tables = {"corosync", "control", "process",
                                                          "ring",     "route",   "quorum"};

}  // namespace

host_questions real_host() {
    return {&corosync::read_corosync_conf, &corosync::read_host_identity, &corosync::resolve};
}

std::string read_text(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text;
    if (file) {
        text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (!file || file.bad()) {
        const int error = errno == 0 ? EIO : errno;
        throw setup_error(error == EACCES || error == EPERM ? exit_permission : exit_config,
                          fmt::format("{}: cannot be read: {}", path, std::strerror(error)));
    }
    return text;
}

toml::table parse_toml(std::string_view text, const std::string& path) {
    toml::table root;
    try {
        root = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        throw setup_error(exit_config,
                          fmt::format("{}:{}:{}: {}", path, error.source().begin.line,
                                      error.source().begin.column, error.description()));
    }
    for (const auto& [key, node] : root) {
        const auto name = key.str();
        if (std::find(known_tables.begin(), known_tables.end(), name) == known_tables.end()) {
            toml_section(root, "diskhb.toml", path)
                .fail(name,
                      "is not known here; there are [corosync], [control], [process], [[ring]], "
                      "[[route]] and [quorum]");
        }
    }
    return root;
}

const toml::table& sub_table(const toml::table& root, const std::string& path,
                             std::string_view key) {
    static const toml::table empty;
    const auto* node = root.get(key);
    if (node == nullptr) {
        return empty;
    }
    if (!node->is_table()) {
        toml_section(root, "diskhb.toml", path)
            .fail(key, fmt::format("must be a table: [{}]", key));
    }
    return *node->as_table();
}

corosync::corosync_conf read_cluster(const toml::table& root, const std::string& path,
                                     const host_questions& host) {
    toml_section section(sub_table(root, path, "corosync"), "[corosync]", path);
    const auto conf_path = section.text("conf").value_or("/etc/corosync/corosync.conf");
    section.refuse_unknown_keys();
    auto conf = host.corosync_conf(conf_path);
    if (conf.totem.cluster_name.empty()) {
        throw setup_error(exit_config, fmt::format("{}: totem.cluster_name is missing; a volume "
                                                   "is recognised by it",
                                                   conf_path));
    }
    if (conf.nodes.empty()) {
        throw setup_error(exit_config, fmt::format("{}: nodelist is missing or empty", conf_path));
    }
    return conf;
}

const corosync::conf_node& local_node(const corosync::corosync_conf& conf,
                                      const host_questions& host) {
    const auto identity = host.identity();
    const auto* node = corosync::find_local_node(conf, identity);
    if (node == nullptr) {
        throw setup_error(exit_config,
                          fmt::format("{}: no node of the nodelist is this host: neither the name "
                                      "'{}' nor an address of an interface fits a name or "
                                      "ring0_addr",
                                      conf.path, identity.node_name));
    }
    return *node;
}

std::string read_socket(toml_section& section, const char* fallback) {
    const auto path = section.text("socket").value_or(fallback);
    if (path.front() != '/' || path.size() > socket_path_bytes_max) {
        section.fail("socket", fmt::format("must be an absolute path of at most {} bytes",
                                           socket_path_bytes_max));
    }
    return path;
}

}  // namespace diskhb::daemon
