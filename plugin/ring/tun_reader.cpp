// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/tun_reader.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace diskhb::daemon {

namespace {

constexpr std::size_t buffer_bytes = 65536;  // more than any IP packet
// The descriptor may come to mean another TUN while we wait: wait anew now and then.
constexpr int poll_ms = 1000;
constexpr int poll_failing_ms = 50;

}  // namespace

tun_reader::tun_reader(std::string name, int fd)
    : name_(std::move(name)),
      fd_(fd),
      stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(std::make_unique<std::byte[]>(buffer_bytes)) {
    if (!stop_event_) {
        throw setup_error(exit_failed, fmt::format("eventfd: {}", std::strerror(errno)));
    }
}

tun_reader::~tun_reader() { stop(); }

void tun_reader::start(handlers call, int niceness) {
    call_ = std::move(call);
    thread_ = std::thread([this, niceness] { read_packets(niceness); });
    // At most 15 characters.
    pthread_setname_np(thread_.native_handle(), ("t:" + name_).substr(0, 15).c_str());
}

void tun_reader::stop() {
    if (!thread_.joinable()) {
        return;
    }
    stopping_.store(true, std::memory_order_release);  // pairs with the acquire in read_packets
    const std::uint64_t one = 1;
    (void)!write(stop_event_.get(), &one, sizeof one);
    thread_.join();
}

void tun_reader::read_packets(int niceness) noexcept {
    if (niceness != 0) {
        // 0 means this thread: on Linux the value belongs to threads (sched(7)).
        const auto own = static_cast<id_t>(0);
        (void)setpriority(PRIO_PROCESS, own, getpriority(PRIO_PROCESS, own) + niceness);
    }
    while (!stopping_.load(std::memory_order_acquire)) {
        pollfd waiting[2] = {{stop_event_.get(), POLLIN, 0}, {fd_, POLLIN, 0}};
        // A TUN that fails reports an error at once, for ever: leave it out of the wait.
        (void)poll(waiting, failing_ ? 1 : 2, failing_ ? poll_failing_ms : poll_ms);
        while (!stopping_.load(std::memory_order_acquire) && read_one()) {
        }
    }
}

bool tun_reader::read_one() noexcept {
    const auto size = read(fd_, buffer_.get(), buffer_bytes);
    if (size < 0) {
        failing_ = errno != EAGAIN && errno != EINTR;
        if (failing_) {
            call_.on_error();
        }
        return false;
    }
    failing_ = false;
    call_.on_packet({buffer_.get(), static_cast<std::size_t>(size)});
    return true;
}

}  // namespace diskhb::daemon
