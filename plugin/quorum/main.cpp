// SPDX-License-Identifier: BSD-3-Clause
// diskhb-quorumd: a quorum device for Corosync on shared volumes. See diskhb-quorumd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "plugin/daemon/process.hpp"
#include "plugin/quorum/quorum_config.hpp"
#include "plugin/quorum/quorum_daemon.hpp"
#include "plugin/quorum/volume_check.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::quorum;

struct options {
    std::string config = daemon::config_path_default;
    bool check = false;
};

int run(const options& chosen) {
    const auto config = read_quorum_config(chosen.config, real_quorum_host());
    if (chosen.check) {
        fmt::print("{}", describe(config));
    }
    const auto report = check(config);
    if (!report.safe()) {
        throw setup_error(exit_config, report.errors.front());
    }
    if (chosen.check) {
        fmt::print("{}", check_volumes(config));
        for (const auto& warning : report.warnings) {
            fmt::print("warning: {}\n", warning);
        }
        return exit_ok;
    }
    const auto log = daemon::make_logger("diskhb-quorumd");
    daemon::lock_memory(*log);
    daemon::avoid_oom_killer(*log);
    for (const auto& warning : report.warnings) {
        log->warn("{}", warning);
    }
    return quorum_daemon(config, *log).run();
}

}  // namespace

int main(int argc, char** argv) {
    options chosen;
    CLI::App app("Gives Corosync's quorum a vote by shared volumes.", "diskhb-quorumd");
    app.set_version_flag("--version", "diskhb-quorumd " DISKHB_VERSION);
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
        fmt::print(stderr, "diskhb-quorumd: {} (see diskhb-quorumd --help)\n", problem.what());
        return exit_usage;
    } catch (const setup_error& problem) {
        fmt::print(stderr, "diskhb-quorumd: {}\n", problem.what());
        return problem.exit_code();
    } catch (const std::exception& problem) {
        fmt::print(stderr, "diskhb-quorumd: {}\n", problem.what());
        return exit_failed;
    }
}
