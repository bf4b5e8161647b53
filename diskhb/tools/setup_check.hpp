// SPDX-License-Identifier: BSD-3-Clause
// Whether a running cluster will live on its ring when the network goes: what is unsafe, or less
// than it could be, each with what to do. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/corosync/link_states.hpp"
#include "tools/findings.hpp"

namespace diskhb::tools {

struct setup_check_input {
    corosync::corosync_conf conf;
    std::vector<unsigned> ring_links;            // of diskhb.toml
    nlohmann::ordered_json status;               // of diskhbd; null: it does not answer
    std::string status_problem;                  // why
    std::optional<corosync::link_report> links;  // nothing: Corosync does not answer
    std::string links_problem;                   // why
    std::uint64_t poll_idle_us = 10000;          // of the receivers
    bool has_pcs = false;
    bool has_shim = false;          // the unit corosync-qdevice is installed
    bool is_enabled = true;         // diskhbd starts with the host
    bool is_quorum_enabled = true;  // diskhb-quorumd too
};

// Errors first, then advice, then notes.
std::vector<finding> check_setup(const setup_check_input& input);
// Several lines: the findings, and what it comes to.
std::string setup_check_text(std::span<const finding> findings);

}  // namespace diskhb::tools
