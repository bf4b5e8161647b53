// SPDX-License-Identifier: BSD-3-Clause
// What the channels on real files share: the open file and the check of alignment. Any thread.
#pragma once

#include <cstdint>

#include "io/block_device.hpp"

namespace diskhb::io {

// Owns a file descriptor; shared by a device and its channels, closed by the last of them.
class open_file {
  public:
    explicit open_file(int fd) noexcept : fd_(fd) {}
    ~open_file();
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

// Whether offset, size and address are multiples of the block size. Checked by us, since file
// systems differ in what they let pass (tmpfs takes anything), and a request that one device
// refuses must not work on another.
bool is_aligned(const request& wanted, std::uint32_t block_bytes) noexcept;

}  // namespace diskhb::io
