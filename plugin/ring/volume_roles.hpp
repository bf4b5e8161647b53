// SPDX-License-Identifier: BSD-3-Clause
// The part of a [[ring]] table that says which volumes the ring has and who copies them: one volume
// for all nodes, or a send volume, receive volumes for the peers that write elsewhere, and how our
// writes get there. At start only; one thread. Errors are setup_error(exit_config).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "diskhb/node.hpp"
#include "plugin/daemon/toml_section.hpp"

namespace diskhb::daemon {

enum class copy_mode {
    none,     // nobody has to: one volume for all
    storage,  // the arrays replicate by themselves
    command,  // diskhbd runs a program after writes
    builtin,  // diskhb-copyd
};
const char* copy_mode_name(copy_mode mode) noexcept;

struct copy_config {
    copy_mode mode = copy_mode::none;
    // command: program and arguments, no shell; at most one run begins in an interval; a run that
    // lasts longer than the timeout is killed.
    std::vector<std::string> command;
    std::chrono::milliseconds interval{200};
    std::chrono::milliseconds timeout{10000};
    // builtin: the device that our slot is copied to, and how fast at most; 0: no limit.
    std::string target;
    std::uint64_t rate_bytes_per_s = 0;
};

struct volume_roles {
    std::string send_volume;
    bool is_shared = true;  // one volume for all
    std::vector<receive_volume> receive_from;
    copy_config copy;
};

// `peers`: all other nodes; `node_id`: ours.
volume_roles read_volume_roles(toml_section& section, std::uint32_t node_id,
                               const std::vector<std::uint32_t>& peers);

// All paths of the ring's volumes, the target of copies included.
std::vector<std::string> volume_paths(const volume_roles& roles);

// Some lines for people; empty for one volume.
std::string describe(const volume_roles& roles);

}  // namespace diskhb::daemon
