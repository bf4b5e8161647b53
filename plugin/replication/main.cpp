// SPDX-License-Identifier: BSD-3-Clause
// diskhb-copyd: copies what this node writes to its send volume to a volume at the other site. See
// diskhb-copyd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "plugin/daemon/process.hpp"
#include "plugin/replication/copy_daemon.hpp"
#include "plugin/replication/target_check.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::daemon;

struct options {
    std::string config = config_path_default;
    bool check = false;
};

int run(const options& chosen) {
    const auto config = read_config(chosen.config, real_host());
    if (chosen.check) {
        refuse_nothing_to_copy(config);
        fmt::print("{}", describe(config));
        fmt::print("{}", check_targets(config));
        return exit_ok;
    }
    const auto log = make_logger("diskhb-copyd");
    lock_memory(*log);
    avoid_oom_killer(*log);
    copy_daemon(config, *log).run();
    return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
    options chosen;
    CLI::App app("Copies a node's slot of a diskhb volume to another volume.", "diskhb-copyd");
    app.set_version_flag("--version", "diskhb-copyd " DISKHB_VERSION);
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
        fmt::print(stderr, "diskhb-copyd: {} (see diskhb-copyd --help)\n", problem.what());
        return exit_usage;
    } catch (const setup_error& problem) {
        fmt::print(stderr, "diskhb-copyd: {}\n", problem.what());
        return problem.exit_code();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "diskhb-copyd: {}\n", problem.what());
        return exit_failed;
    }
}
