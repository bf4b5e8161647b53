// SPDX-License-Identifier: BSD-3-Clause
// What is unsafe, will not work, or could be better in the configuration of the quorum disk: what
// the daemon itself would refuse, and what only shows when its files and volumes are seen together.
// Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "format/superblock.hpp"
#include "plugin/quorum/device_identity.hpp"
#include "plugin/quorum/quorum_config.hpp"
#include "tools/findings.hpp"
#include "tools/quorum_report.hpp"

namespace diskhb::tools {

// WatchdogSec and RestartSec of ha-configs/diskhb-quorumd.service: after that systemd has started a
// daemon anew that hangs.
inline constexpr std::chrono::milliseconds unit_restart{6000};

// What was found of a quorum volume.
struct quorum_volume_facts {
    std::string path;
    std::string error;  // why it cannot be used; empty: the rest is known
    format::superblock content;
    std::vector<quorum_slot_report> slots;
    quorum::device_report device;  // as this host knows it
};

struct quorum_check_input {
    quorum::quorum_config config;
    corosync::corosync_conf conf;
    std::vector<quorum_volume_facts> volumes;  // those of the configuration
    std::vector<std::string> ring_volumes;     // of all [[ring]] tables
};

// Errors first, then advice, then notes.
std::vector<finding> check_quorum(const quorum_check_input& input);

nlohmann::ordered_json to_json(const quorum_check_input& input, std::span<const finding> findings);
// Several lines: the findings, and what it comes to.
std::string to_text(const quorum_check_input& input, std::span<const finding> findings);

}  // namespace diskhb::tools
