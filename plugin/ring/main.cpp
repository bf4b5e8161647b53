// SPDX-License-Identifier: BSD-3-Clause
// diskhbd: a Corosync link over a shared volume. See diskhbd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include "plugin/daemon/process.hpp"
#include "plugin/daemon/program.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/daemon.hpp"
#include "plugin/ring/volume_check.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::daemon;

int run(const program_options& chosen) {
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
    return run_program(argc, argv, "diskhbd", "Carries a Corosync link over a shared volume.", run);
}
