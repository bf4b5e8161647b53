// SPDX-License-Identifier: BSD-3-Clause
// What to tell an administrator when a volume cannot be used: one line and an exit code.
#pragma once

#include <chrono>
#include <string>

#include "diskhb/error.hpp"

namespace diskhb::io {

// How long a program that is run by hand waits for one I/O.
inline constexpr auto volume_patience = std::chrono::seconds(10);

// For an error of open_volume, read_superblocks or transfer on the volume at `path`.
setup_error volume_error(const std::string& path, const boost::system::error_code& error);

}  // namespace diskhb::io
