// SPDX-License-Identifier: BSD-3-Clause
// diskhb-quorumd: a quorum device for Corosync on shared volumes. See diskhb-quorumd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include "plugin/daemon/process.hpp"
#include "plugin/daemon/program.hpp"
#include "plugin/quorum/quorum_config.hpp"
#include "plugin/quorum/quorum_daemon.hpp"
#include "plugin/quorum/volume_check.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::quorum;

int run(const daemon::program_options& chosen) {
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
    return daemon::run_program(argc, argv, "diskhb-quorumd",
                               "Gives Corosync's quorum a vote by shared volumes.", run);
}
