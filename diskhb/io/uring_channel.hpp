// SPDX-License-Identifier: BSD-3-Clause
// A channel on io_uring(7). It belongs to the thread that uses it first: the ring is made for a
// single issuer. Destroying it with an I/O hanging does not wait for the device; the kernel keeps
// the buffer's pages until the I/O ends, so the buffer's memory must not be used again before.
#pragma once

#include <cstdint>
#include <memory>

#include "io/block_device.hpp"
#include "io/open_file.hpp"

namespace diskhb::io {

// Null if the kernel does not allow io_uring (kernel.io_uring_disabled, seccomp, memory limits) or
// is older than 5.11.
std::unique_ptr<channel> make_uring_channel(std::shared_ptr<const open_file> file, unsigned depth,
                                            std::uint32_t block_bytes);

}  // namespace diskhb::io
