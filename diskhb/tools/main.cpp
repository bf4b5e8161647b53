// SPDX-License-Identifier: BSD-3-Clause
// The diskhb command: what an administrator does with a volume, and asks of the daemon.
#include <fmt/core.h>

#include <cstdio>
#include <vector>

#include "diskhb/error.hpp"
#include "tools/verbs.hpp"

namespace {

// Help and version as asked for, anything else as one line on stderr.
int report_usage(const CLI::App& app, const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) {
        return app.exit(problem);
    }
    std::string name = app.get_name();
    for (auto chosen = app.get_subcommands(); !chosen.empty();
         chosen = chosen.front()->get_subcommands()) {
        name += " " + chosen.front()->get_name();
    }
    fmt::print(stderr, "diskhb: {} (see {} --help)\n", problem.what(), name);
    return diskhb::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Works with diskhb volumes: a Corosync ring over a shared block device.",
                 "diskhb");
    app.set_version_flag("--version", "diskhb " DISKHB_VERSION);
    app.require_subcommand(0, 1);
    std::vector<diskhb::tools::verb> verbs;
    for (const auto add : diskhb::tools::all_verbs) {
        verbs.push_back(add(app));
    }
    try {
        app.parse(argc, argv);
        for (const auto& each : verbs) {
            if (each.command->parsed()) {
                return each.run();
            }
        }
        throw CLI::RequiredError("a verb");
    } catch (const CLI::ParseError& problem) {
        return report_usage(app, problem);
    } catch (const diskhb::setup_error& problem) {
        fmt::print(stderr, "diskhb: {}\n", problem.what());
        return problem.exit_code();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "diskhb: {}\n", problem.what());
        return diskhb::exit_failed;
    }
}
