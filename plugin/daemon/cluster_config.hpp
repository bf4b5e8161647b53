// SPDX-License-Identifier: BSD-3-Clause
// What all daemons read the same way: the text of diskhb.toml, [corosync] in it, and who we are in
// the nodelist of corosync.conf. At start only; one thread. Errors are setup_error, one line each.
#pragma once

#include <toml++/toml.h>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/daemon/toml_section.hpp"

namespace diskhb::daemon {

inline constexpr const char* config_path_default = "/etc/diskhb/diskhb.toml";

// What the configuration asks the host for, so that tests can answer.
struct host_questions {
    std::function<corosync::corosync_conf(const std::string& path)> corosync_conf;
    std::function<corosync::host_identity()> identity;
    std::function<std::optional<corosync::ip_address>(const std::string& name,
                                                      corosync::ip_preference)>
        resolve;
};
host_questions real_host();

// The bytes of a configuration file. exit_permission if it may not be read.
std::string read_text(const std::string& path);
// Parses TOML and refuses top-level tables that no daemon knows.
toml::table parse_toml(std::string_view text, const std::string& path);
// A sub-table by name, empty if it is not there.
const toml::table& sub_table(const toml::table& root, const std::string& path,
                             std::string_view key);

// corosync.conf as [corosync] names it. Refuses one without a cluster name or a nodelist: a volume
// is recognised by the name, and slots belong to node ids.
corosync::corosync_conf read_cluster(const toml::table& root, const std::string& path,
                                     const host_questions& host);
// Which node of the list this host is; points into `conf`.
const corosync::conf_node& local_node(const corosync::corosync_conf& conf,
                                      const host_questions& host);

// The path of a unix socket: absolute, and short enough for unix(7).
std::string read_socket(toml_section& section, const char* fallback);

}  // namespace diskhb::daemon
