// SPDX-License-Identifier: BSD-3-Clause
// What the daemons' mains have in common: the command line, and what an error that ends the program
// looks like.
#pragma once

#include <functional>
#include <string>

namespace diskhb::daemon {

// The command line of a daemon.
struct program_options {
    std::string config;  // --config
    bool check = false;  // --check
};

// Parses the command line and calls `run`, whose value is the exit code. Anything thrown becomes
// one line on stderr: a setup_error with its own exit code, a mistake on the command line with
// exit_usage, anything else with exit_failed. Main thread; once.
int run_program(int argc, char** argv, const std::string& name, const std::string& description,
                const std::function<int(const program_options&)>& run);

}  // namespace diskhb::daemon
