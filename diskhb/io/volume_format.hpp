// SPDX-License-Identifier: BSD-3-Clause
// Making a volume: what `diskhb format` writes, and tests on simulated devices. For set-up, on one
// thread; it does not look at what the device held before.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "format/superblock.hpp"
#include "io/block_device.hpp"

namespace diskhb::io {

// The largest ring that is chosen when none is asked for.
inline constexpr std::uint64_t default_ring_bytes_max = 16 << 20;

// Bytes that a device must have for such a volume.
std::uint64_t needed_bytes(std::uint32_t block_bytes, std::uint16_t slots,
                           std::uint64_t ring_bytes) noexcept;

// The smallest ring that a volume with such blocks may have (format::make_geometry).
std::uint64_t smallest_ring_bytes(std::uint32_t block_bytes) noexcept;

// The largest power of two <= default_ring_bytes_max with which everything fits the device;
// nothing if not even the smallest does.
std::optional<std::uint64_t> largest_ring_bytes(std::uint32_t block_bytes, std::uint16_t slots,
                                                std::uint64_t device_bytes) noexcept;

// A fresh superblock for a device; its uuid is made of the 16 random bytes (RFC 4122, version 4).
format::superblock make_superblock(const std::string& cluster_name,
                                   const format::geometry& measures, format::uuid random,
                                   std::uint64_t now_s);

// How write_volume goes about it.
struct format_options {
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);  // of each I/O
    // Write all of the rings instead of their first blocks: for files, whose blocks the file
    // system would otherwise have to find when the ring is written for the first time.
    bool fill_rings = false;
    // Called between steps, to push what was written out of the device's cache.
    std::function<boost::system::error_code()> flush;
    // Called now and then with bytes done and bytes in all.
    std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> progress;
};

// Writes a volume: first zeros over the start and the end of the device, so that nothing that lay
// there is found again, over both tables, and over the rings' first blocks; then the superblock's
// copy; reads all of that back; and writes the superblock last. Whenever it is stopped before, the
// device holds no volume with a first superblock. Errors: of the device; io_failed when what is
// read back is not what was written; timed_out, after which the process should end.
boost::system::error_code write_volume(block_device& device, const format::superblock& content,
                                       const format_options& options);

}  // namespace diskhb::io
