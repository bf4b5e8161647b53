// SPDX-License-Identifier: BSD-3-Clause
// diskhbd: a Corosync link over a shared volume. See diskhbd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "plugin/daemon/process.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/daemon.hpp"
#include "plugin/ring/volume_check.hpp"

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
        fmt::print("{}", describe(config));
        fmt::print("{}", check_volumes(config));
        return exit_ok;
    }
    const auto log = make_logger("diskhbd");
    lock_memory(*log);
    avoid_oom_killer(*log);
    if (config.realtime) {
        become_realtime(*log);
    }
    ring_daemon(config, chosen.config, *log).run();
    return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
    options chosen;
    CLI::App app("Carries a Corosync link over a shared volume.", "diskhbd");
    app.set_version_flag("--version", "diskhbd " DISKHB_VERSION);
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
        fmt::print(stderr, "diskhbd: {} (see diskhbd --help)\n", problem.what());
        return exit_usage;
    } catch (const setup_error& problem) {
        fmt::print(stderr, "diskhbd: {}\n", problem.what());
        return problem.exit_code();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "diskhbd: {}\n", problem.what());
        return exit_failed;
    }
}
