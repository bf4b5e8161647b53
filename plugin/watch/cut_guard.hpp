// SPDX-License-Identifier: BSD-3-Clause
// The process that guards a cut: see network_cut.hpp.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace diskhb::watch {

// Where nft is; empty if it is not installed.
std::string nft_program();

// Starts a guard in a session of its own, which nothing but a signal by its id reaches. The caller
// owns both descriptors, and waits for the child.
struct guard_process {
    pid_t pid = 0;
    int stdin_fd = -1;
    int stdout_fd = -1;
    // Empty, or why it could not be started.
    std::string start(const std::vector<std::string>& words);
};

}  // namespace diskhb::watch
