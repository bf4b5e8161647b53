// SPDX-License-Identifier: BSD-3-Clause
// [quorum] of diskhb.toml together with corosync.conf: everything diskhb-quorumd does follows from
// these values. Built once at start, never changed; one thread. Two kinds of mistakes: what cannot
// be read throws setup_error(exit_config) with the place in the file; what can be read but is
// unsafe is told by check(), all of it at once, so that a tool can list it. diskhb.toml(5) is the
// description for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/daemon/cluster_config.hpp"
#include "plugin/quorum/partition.hpp"
#include "plugin/quorum/timing.hpp"

namespace diskhb::quorum {

inline constexpr const char* quorum_socket_default = "/run/diskhb/diskhb-quorumd.sock";
inline constexpr const char* sbd_config_path = "/etc/default/sbd";
inline constexpr std::uint32_t score_max = 1000000;

struct heuristic {
    std::string name;
    std::vector<std::string> words;  // program and arguments; no shell is asked
};

// As corosync-qdevice(8) has them. A node that passes counts as if its score were one higher.
struct heuristics_config {
    enum class when { off, sync, on };  // never; when the ring changes; then and at intervals
    when mode = when::off;
    milliseconds interval{30000};
    milliseconds timeout{5000};        // of a run at an interval
    milliseconds sync_timeout{15000};  // of a run in Corosync's sync phase
    std::vector<heuristic> commands;   // all must exit with 0
};
const char* name_of(heuristics_config::when mode) noexcept;

// The quorum section of corosync.conf, with Corosync's defaults (exec/votequorum.c).
struct device_config {
    std::string model;
    unsigned votes = 0;  // in force: of the file, or one less than there are nodes
    milliseconds timeout{10000};
    milliseconds sync_timeout{30000};
    // Of two_node, auto_tie_breaker, last_man_standing, allow_downscale: those that are set.
    std::vector<std::string> conflicts;
    std::optional<unsigned> expected_votes;  // where the file says so
    std::string provider;
    std::vector<std::uint32_t> unequal_nodes;  // with quorum_votes other than 1
};

struct cluster_node {
    std::uint32_t node_id = 0;
    std::string name;  // empty when not given
};

struct quorum_config {
    std::string path;  // of diskhb.toml
    std::string corosync_conf_path;
    std::string control_socket;
    std::string cluster_name;
    std::uint32_t node_id = 0;
    std::string node_name;
    std::vector<cluster_node> nodes;  // all, ourselves too
    std::vector<std::string> volumes;
    mode how = mode::last_man_standing;
    tie_breaker ties;
    std::uint32_t score = 0;
    timings times;  // completed, not checked
    device_config device;
    heuristics_config heuristics;
};

// Where the watchdog of SBD is looked up; empty text: no SBD.
struct quorum_host : daemon::host_questions {
    std::function<std::string()> sbd_config;
};
quorum_host real_quorum_host();

quorum_config parse_quorum_config(std::string_view text, const std::string& path,
                                  const quorum_host& host);
// The same for a file. exit_permission if it may not be read.
quorum_config read_quorum_config(const std::string& path, const quorum_host& host);

// All that makes the configuration unsafe (errors: the daemon refuses to start with the first) or
// worse than it could be (warnings). A line each: what, the value, what to do.
timing_report check(const quorum_config& config);

// Some lines for people: what the daemon would do, and the relations of its times.
std::string describe(const quorum_config& config);

}  // namespace diskhb::quorum
