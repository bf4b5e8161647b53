// SPDX-License-Identifier: BSD-3-Clause
// The verbs below `diskhb quorum`. Each adds itself to that command, as verbs do to the app.
#pragma once

#include "tools/verbs.hpp"

namespace diskhb::tools {

verb add_quorum_status(CLI::App& quorum);
verb add_quorum_dump(CLI::App& quorum);
verb add_quorum_check(CLI::App& quorum);

}  // namespace diskhb::tools
