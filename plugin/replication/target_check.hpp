// SPDX-License-Identifier: BSD-3-Clause
// Whether the targets of a configuration can be copied to, for diskhb-copyd --check. The running
// daemon asks the copy job instead, which waits for what is not there.
#pragma once

#include <string>

#include "plugin/ring/config.hpp"

namespace diskhb::daemon {

// A line for each ring with copy = "builtin". A source or target that is not there is no error.
// Throws setup_error with an exit code of diskhb(8) for a source that is no volume of the cluster
// and for a target that would be refused. Opens the target for writing, and writes nothing.
std::string check_targets(const daemon_config& config);

}  // namespace diskhb::daemon
