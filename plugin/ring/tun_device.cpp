// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/tun_device.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace diskhb::daemon {

namespace {

constexpr const char* tun_path = "/dev/net/tun";

[[noreturn]] void throw_open_error(int error) {
    if (error == EACCES || error == EPERM) {
        throw setup_error(exit_permission,
                          fmt::format("{}: {}; run as root", tun_path, std::strerror(error)));
    }
    throw setup_error(exit_failed, fmt::format("{}: {}; is the kernel module tun loaded?", tun_path,
                                               std::strerror(error)));
}

[[noreturn]] void throw_attach_error(const std::string& interface, int error) {
    switch (error) {
        case EBUSY:
            throw setup_error(exit_in_use,
                              fmt::format("interface {} is held by another process; is a diskhbd "
                                          "already running?",
                                          interface));
        case EINVAL:
            throw setup_error(exit_in_use,
                              fmt::format("interface {} exists and is not a plain TUN interface; "
                                          "choose another name in diskhb.toml, or remove it",
                                          interface));
        case EPERM:
        case EACCES:
            throw setup_error(exit_permission,
                              fmt::format("interface {}: not allowed to create or use it; "
                                          "CAP_NET_ADMIN is needed",
                                          interface));
        default:
            throw setup_error(exit_failed, fmt::format("interface {}: cannot be created: {}",
                                                       interface, std::strerror(error)));
    }
}

}  // namespace

owned_fd& owned_fd::operator=(owned_fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) {
            close(fd_);
        }
        fd_ = other.release();
    }
    return *this;
}

owned_fd::~owned_fd() {
    if (fd_ >= 0) {
        close(fd_);
    }
}

int owned_fd::release() noexcept { return std::exchange(fd_, -1); }

owned_fd open_tun(const std::string& interface, bool persistent) {
    owned_fd fd(open(tun_path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) {
        throw_open_error(errno);
    }
    ifreq wanted{};
    std::strncpy(wanted.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    wanted.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(fd.get(), TUNSETIFF, &wanted) != 0) {
        throw_attach_error(interface, errno);
    }
    // Whole packets with checksums only, even if an earlier owner asked for more.
    if (ioctl(fd.get(), TUNSETOFFLOAD, 0UL) != 0 ||
        ioctl(fd.get(), TUNSETPERSIST, persistent ? 1UL : 0UL) != 0) {
        throw_attach_error(interface, errno);
    }
    return fd;
}

}  // namespace diskhb::daemon
