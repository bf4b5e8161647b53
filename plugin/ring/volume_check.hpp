// SPDX-License-Identifier: BSD-3-Clause
// Whether the volumes of a configuration can be used, for diskhbd --check. The running daemon asks
// the engine instead: there a volume that cannot be used stops its ring, not the daemon.
#pragma once

#include <string>

#include "plugin/ring/config.hpp"

namespace diskhb::daemon {

// A line for each volume of each ring. A volume that is not there is no error: the ring joins when
// it appears. Throws setup_error with the exit code of diskhb(8) for one that is of another cluster
// or format version, has no slot for a node, or cannot be read, and for a receive volume that is
// the send volume or has other measures. Reads only.
std::string check_volumes(const daemon_config& config);

}  // namespace diskhb::daemon
