// SPDX-License-Identifier: BSD-3-Clause
// Bytes of a device that one opening of it has for itself, among all processes of this host that
// ask. A lock of the open file (fcntl(2), F_OFD_SETLK) and not of the process: io_uring holds the
// open file for as long as a request is under way, also after its process has ended, and so the
// claim ends with the last write and not before. flock(2), which udev takes on disks, is another
// lock.
#pragma once

#include <cstdint>

#include "io/block_device.hpp"

namespace diskhb::io {

// Held until the device, its channels and what they have in flight are gone. EBUSY: somebody else
// has some of these bytes. No error where nobody can claim: a file system without locks, or
// another name of the device with a device node of its own. Any thread.
boost::system::error_code claim(block_device& device, std::uint64_t offset,
                                std::uint64_t bytes) noexcept;

}  // namespace diskhb::io
