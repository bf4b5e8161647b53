// SPDX-License-Identifier: BSD-3-Clause
// The links of the running Corosync, asked for with a limit in time, which its libraries do not
// have.
#pragma once

#include "plugin/corosync/link_states.hpp"

namespace diskhb::tools {

// At most five seconds. Throws setup_error: exit_no_daemon, exit_permission. One thread, before the
// end of the process: a thread that waits for a Corosync that hangs is left behind.
corosync::link_report ask_corosync();

}  // namespace diskhb::tools
