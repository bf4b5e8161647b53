// SPDX-License-Identifier: BSD-3-Clause
// The options of a verb that asks diskhbd and diskhb-quorumd.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "diskhb/copy.hpp"
#include "plugin/quorum/quorum_config.hpp"

namespace diskhb::tools {

struct daemon_sockets {
    std::string ring = control_socket_default;
    std::string quorum = quorum::quorum_socket_default;
};

// `sockets` must outlive the command.
inline void add_socket_options(CLI::App& command, daemon_sockets& sockets) {
    command.add_option("--socket", sockets.ring, "the control socket of diskhbd")
        ->capture_default_str();
    command.add_option("--quorum-socket", sockets.quorum, "the control socket of diskhb-quorumd")
        ->capture_default_str();
}

}  // namespace diskhb::tools
