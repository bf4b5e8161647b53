// SPDX-License-Identifier: BSD-3-Clause
// The open file that a device and its channels share. Any thread.
#pragma once

namespace diskhb::io {

// Owns a file descriptor; closed by the last of its owners.
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

}  // namespace diskhb::io
