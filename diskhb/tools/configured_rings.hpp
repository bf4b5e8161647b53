// SPDX-License-Identifier: BSD-3-Clause
// Which of Corosync's links are rings, as diskhb.toml says: for what must know it without diskhbd.
// One thread.
#pragma once

#include <string>
#include <vector>

namespace diskhb::tools {

struct configured_ring {
    std::string interface;
    unsigned link = 0;
};

// In the order of the file; none if it has no [[ring]]. Throws setup_error: exit_config,
// exit_permission.
std::vector<configured_ring> configured_rings(const std::string& path);
// Their links.
std::vector<unsigned> links_of(const std::vector<configured_ring>& rings);

}  // namespace diskhb::tools
