// SPDX-License-Identifier: BSD-3-Clause
// Finding the superblock of a volume, for engine and tools. Reads only.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "format/superblock.hpp"
#include "io/block_device.hpp"

namespace diskhb::io {

struct opened_volume {
    std::unique_ptr<block_device> device;
    format::superblock superblock;
};

// Bytes at the start of a volume that hold its first superblock, whatever its block size.
inline constexpr std::size_t superblock_head_bytes = format::block_bytes_max;

// Where the tail of a device begins, in which the copy lies whatever its block size: less than
// 2 * block_bytes_max before the end, a multiple of block_bytes_max.
std::uint64_t superblock_tail_offset(std::uint64_t device_bytes) noexcept;

// Looks for the copy when the first superblock does not tell where it is. Pure; `tail` was read
// from superblock_tail_offset(device_bytes) to the end. Not found when the device has grown since
// it was formatted. The error is that of the most likely place.
result<format::superblock> find_superblock_copy(std::span<const std::byte> tail,
                                                std::uint64_t device_bytes);

// Both superblocks of a volume, each decoded by itself.
struct superblock_pair {
    result<format::superblock> first;  // at offset 0
    result<format::superblock> copy;   // where the first says, or found from the device's end
    // The first, the copy if only the first is damaged, or the error of the first.
    const result<format::superblock>& best() const noexcept {
        return first.has_value() || !copy.has_value() ? first : copy;
    }
};

// Reads and decodes both. Besides the errors of decode_superblock each may be one of the device, or
// timed_out, after which an I/O still hangs.
superblock_pair read_superblocks(block_device& device, std::chrono::nanoseconds timeout);

// Whether a superblock can be used on this device, under this cluster name (empty: any):
// truncated if the device is smaller than the volume, malformed if the device's blocks are larger
// than the volume's, wrong_cluster.
boost::system::error_code check_superblock(const format::superblock& found,
                                           std::uint64_t device_bytes,
                                           std::uint32_t device_block_bytes,
                                           const std::string& cluster_name) noexcept;

// Opens, reads, checks. May block as open(2) does, and on pread(2) where io_uring is not used;
// timeout is for each I/O otherwise. Errors: those of device_source::open, of decode_superblock,
// of check_superblock, and timed_out. While several I/Os of earlier calls of the same thread hang,
// it returns timed_out without trying again, so that memory stays bounded.
result<opened_volume> open_volume(device_source& source, const std::string& cluster_name,
                                  std::chrono::nanoseconds timeout);

}  // namespace diskhb::io
