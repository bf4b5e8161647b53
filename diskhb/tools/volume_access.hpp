// SPDX-License-Identifier: BSD-3-Clause
// Opening and reading a volume for the verbs, with every failure put as a setup_error for the
// administrator. One thread.
#pragma once

#include <memory>
#include <string>

#include "diskhb/error.hpp"
#include "io/block_device.hpp"
#include "io/volume.hpp"
#include "io/volume_error.hpp"

namespace diskhb::tools {

inline constexpr auto io_patience = io::volume_patience;
using io::volume_error;

std::unique_ptr<io::block_device> open_device(const std::string& path,
                                              io::path_source::access mode);

// Opens read-only and takes the best superblock. Throws setup_error if it is no volume, or one
// that does not fit its device, or of another cluster than that (empty: any).
io::opened_volume open_for_reading(const std::string& path, const std::string& cluster_name = "");

// One channel and buffer for all reads of a verb.
class volume_reader {
  public:
    volume_reader(std::string path, io::block_device& device, std::size_t bytes_max);
    ~volume_reader();
    volume_reader(const volume_reader&) = delete;
    volume_reader& operator=(const volume_reader&) = delete;

    // The bytes are valid until the next read. REQUIRES: bytes <= bytes_max. Throws setup_error.
    std::span<const std::byte> read(std::uint64_t offset, std::size_t bytes);

  private:
    std::string path_;
    std::unique_ptr<io::channel> channel_;
    std::unique_ptr<io::aligned_buffer> buffer_;
};

}  // namespace diskhb::tools
