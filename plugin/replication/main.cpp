// SPDX-License-Identifier: BSD-3-Clause
// diskhb-copyd: copies what this node writes to its send volume to a volume at the other site. See
// diskhb-copyd(8).
#include <fmt/core.h>
#include <spdlog/logger.h>

#include "plugin/daemon/process.hpp"
#include "plugin/daemon/program.hpp"
#include "plugin/replication/copy_daemon.hpp"
#include "plugin/replication/target_check.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::daemon;

int run(const program_options& chosen) {
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
    return run_program(argc, argv, "diskhb-copyd",
                       "Copies a node's slot of a diskhb volume to another volume.", run);
}
