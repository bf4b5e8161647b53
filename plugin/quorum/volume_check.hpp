// SPDX-License-Identifier: BSD-3-Clause
// Whether the quorum volumes of a configuration can be used, for diskhb-quorumd --check. The daemon
// itself looks at them on its disk threads.
#pragma once

#include <string>

#include "plugin/quorum/quorum_config.hpp"

namespace diskhb::quorum {

struct disk_options;
// What the volume with that index in the configuration must be.
disk_options disk_options_for(const quorum_config& config, std::size_t index,
                              std::uint64_t incarnation);

// A line about each volume. One that is not there or fails is no error: the daemon starts without
// it and takes it when it appears. Throws setup_error for one that is wrong. Reads only; blocks as
// long as a volume does.
std::string check_volumes(const quorum_config& config);

}  // namespace diskhb::quorum
