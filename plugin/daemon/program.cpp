// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/program.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "diskhb/error.hpp"
#include "plugin/daemon/cluster_config.hpp"

namespace diskhb::daemon {

int run_program(int argc, char** argv, const std::string& name, const std::string& description,
                const std::function<int(const program_options&)>& run) {
    program_options chosen{config_path_default};
    CLI::App app(description, name);
    app.set_version_flag("--version", name + " " DISKHB_VERSION);
    app.add_option("--config", chosen.config, "the configuration, see diskhb.toml(5)")
        ->capture_default_str();
    app.add_flag("--check", chosen.check, "read the configuration, say what would be done, end");
    try {
        app.parse(argc, argv);
        return run(chosen);
    } catch (const CLI::ParseError& problem) {
        if (problem.get_exit_code() == 0) {
            return app.exit(problem);
        }
        fmt::print(stderr, "{}: {} (see {} --help)\n", name, problem.what(), name);
        return exit_usage;
    } catch (const setup_error& problem) {
        fmt::print(stderr, "{}: {}\n", name, problem.what());
        return problem.exit_code();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "{}: {}\n", name, problem.what());
        return exit_failed;
    }
}

}  // namespace diskhb::daemon
