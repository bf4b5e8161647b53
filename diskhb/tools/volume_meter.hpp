// SPDX-License-Identifier: BSD-3-Clause
// How long a volume takes for the I/O of a ring: reading the node table, as a receiver does, and
// writing one block, as a beat does. The block is the scratch block (format/geometry.hpp), which
// belongs to nobody, so a cluster that uses the volume meanwhile is not touched. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "format/superblock.hpp"

namespace diskhb::tools {

struct io_times {
    std::uint64_t count = 0;
    double p50_us = 0;
    double p99_us = 0;
    double p999_us = 0;
    double max_us = 0;
};
// Zeros if there are none.
io_times summarise_times(std::vector<std::uint64_t> times_ns);

struct volume_times {
    format::superblock volume;
    io_times read;
    std::optional<io_times> write;  // nothing if only reading was asked for
};

struct meter_settings {
    std::string path;
    std::chrono::milliseconds time{0};
    bool read_only = false;
    // Called some ten times a second with the time that has passed; false ends the measuring.
    std::function<bool(std::chrono::milliseconds)> progress;
};

// One I/O at a time, at most 500 reads and 500 writes a second. Throws setup_error: as
// open_for_reading does; exit_volume also when the volume is formatted anew meanwhile, whereupon
// nothing more is written.
volume_times measure_volume(const meter_settings& settings);

}  // namespace diskhb::tools
