// SPDX-License-Identifier: BSD-3-Clause
// A persistent TUN interface (linux/if_tun.h, Documentation/networking/tuntap.rst). Called at
// start and from the main loop.
#pragma once

#include <string>

#include "diskhb/error.hpp"

namespace diskhb::daemon {

// Owns a file descriptor.
class owned_fd {
  public:
    explicit owned_fd(int fd = -1) noexcept : fd_(fd) {}
    owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
    owned_fd& operator=(owned_fd&& other) noexcept;
    ~owned_fd();
    int get() const noexcept { return fd_; }
    int release() noexcept;
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_;
};

// Creates the interface, or attaches to one that an earlier run left behind. A persistent one, its
// addresses and routes outlive the daemon, and Corosync's sockets never notice a restart; another
// goes with the descriptor, however the daemon ends. The descriptor does not block. Throws
// setup_error: exit_in_use when another process holds the interface or it is none of this kind,
// exit_permission, exit_failed.
owned_fd open_tun(const std::string& interface, bool persistent = true);

}  // namespace diskhb::daemon
