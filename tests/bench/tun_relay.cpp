// SPDX-License-Identifier: BSD-3-Clause
// Two TUN interfaces in two network namespaces and nothing between them but a copy: what any ring
// through TUN can reach at most on this machine (Documentation/networking/tuntap.rst).
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "measurements.hpp"

namespace diskhb::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw setup_error(exit_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

// Opens an interface in the network namespace of a process. The calling thread stays there.
int open_tun(int pid, const char* name) {
    const std::string path = fmt::format("/proc/{}/ns/net", pid);
    const int space = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0 || ::setns(space, CLONE_NEWNET) != 0) {
        fail(path);
    }
    ::close(space);
    const int tun = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    if (tun < 0 || ::ioctl(tun, TUNSETIFF, &request) != 0) {
        fail(fmt::format("interface {}", name));
    }
    return tun;
}

// Until the interface has gone.
void copy(int from, int to) {
    std::vector<std::byte> packet(65536);
    for (;;) {
        const ssize_t size = ::read(from, packet.data(), packet.size());
        if (size > 0) {
            // A full queue loses the packet, as it would on a ring.
            [[maybe_unused]] const auto written =
                ::write(to, packet.data(), static_cast<std::size_t>(size));
        } else if (errno != EINTR && errno != EIO) {  // EIO: not up yet
            return;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
}

}  // namespace

void run_relay(int pid_one, int pid_two) {
    const int one = open_tun(pid_one, "relay0");
    const int two = open_tun(pid_two, "relay0");
    fmt::print("ready\n");
    (void)std::fflush(stdout);
    const std::jthread forth([&] { copy(one, two); });
    copy(two, one);
}

}  // namespace diskhb::bench
