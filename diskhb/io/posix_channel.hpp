// SPDX-License-Identifier: BSD-3-Clause
// A channel on pread(2) and pwrite(2): each I/O is done inside submit, so a device that hangs
// holds the thread there until it answers. For regular files, and where io_uring is off.
#pragma once

#include <cstdint>
#include <memory>

#include "io/block_device.hpp"
#include "io/open_file.hpp"

namespace diskhb::io {

std::unique_ptr<channel> make_posix_channel(std::shared_ptr<const open_file> file, unsigned depth,
                                            std::uint32_t block_bytes);

}  // namespace diskhb::io
