// SPDX-License-Identifier: BSD-3-Clause
// The verbs of the diskhb command. To add one: write NAME_verb.cpp, declare it here and name it in
// all_verbs; main.cpp does the rest.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace diskhb::tools {

struct verb {
    CLI::App* command = nullptr;  // the subcommand that was added to the app
    std::function<int()> run;     // gives the exit code; throws setup_error for what went wrong
};

verb add_format(CLI::App& app);
verb add_info(CLI::App& app);
verb add_dump(CLI::App& app);
verb add_status(CLI::App& app);
verb add_ping(CLI::App& app);
verb add_measure(CLI::App& app);
verb add_verdict(CLI::App& app);
verb add_metrics(CLI::App& app);
verb add_top(CLI::App& app);
verb add_setup(CLI::App& app);
verb add_copy(CLI::App& app);
verb add_watch(CLI::App& app);
verb add_drill(CLI::App& app);
verb add_capture(CLI::App& app);
verb add_quorum(CLI::App& app);  // a verb with verbs of its own: quorum_commands.hpp

inline constexpr verb (*all_verbs[])(CLI::App&) = {
    add_format, add_info,  add_dump, add_status, add_ping,  add_measure, add_verdict, add_metrics,
    add_top,    add_setup, add_copy, add_watch,  add_drill, add_capture, add_quorum};

}  // namespace diskhb::tools
