// SPDX-License-Identifier: BSD-3-Clause
// Which nodes beat on a volume, seen from outside the cluster. Reads only; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "format/superblock.hpp"
#include "io/block_device.hpp"

namespace diskhb::tools {

// Watches node table and quorum table for that long, or for longer if a node of the quorum disk may
// write so rarely: the ids of nodes of which an intact block changed, in ascending order. Ends
// early at the first. Throws setup_error if the tables cannot be read.
std::vector<std::uint32_t> nodes_alive(const std::string& path, io::block_device& device,
                                       const format::superblock& volume,
                                       std::chrono::nanoseconds watch_time);

}  // namespace diskhb::tools
