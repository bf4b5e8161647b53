// SPDX-License-Identifier: BSD-3-Clause
// The check of a request against the block size. Pure.
#pragma once

#include <cstdint>

#include "io/block_device.hpp"

namespace diskhb::io {

// Whether offset, size and address are multiples of the block size (a power of two). Checked by
// every channel, since file systems differ in what they let pass (tmpfs takes anything), and a
// request that one device refuses must not work on another.
inline bool is_aligned(const request& wanted, std::uint32_t block_bytes) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(wanted.buffer.data());
    return ((wanted.offset | wanted.buffer.size() | address) & (block_bytes - 1)) == 0 &&
           !wanted.buffer.empty();
}

}  // namespace diskhb::io
