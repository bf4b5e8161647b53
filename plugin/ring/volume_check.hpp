// SPDX-License-Identifier: BSD-3-Clause
// Whether the volumes of a configuration can be used, for diskhbd --check. The running daemon asks
// the engine instead: there a volume that cannot be used stops its ring, not the daemon.
#pragma once

#include <string>

#include "plugin/ring/config.hpp"

namespace diskhb::daemon {

// A line for each ring about its volume. A volume that is not there is none of its errors: the ring
// joins when it appears. Throws setup_error with the exit code of diskhb(8) for one that is of
// another cluster or format version, has no slot for a node, or cannot be read. Reads only.
std::string check_volumes(const daemon_config& config);

}  // namespace diskhb::daemon
