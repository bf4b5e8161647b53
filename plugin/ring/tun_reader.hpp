// SPDX-License-Identifier: BSD-3-Clause
// A thread that reads packets from a TUN until it is stopped, and waits for nothing but packets.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "plugin/ring/tun_device.hpp"

namespace diskhb::daemon {

class tun_reader {
  public:
    struct handlers {
        std::function<void(std::span<const std::byte> packet)> on_packet;
        std::function<void()> on_error;  // the TUN failed a read; it is tried again
    };

    // `fd` does not block, gives one packet a read, and outlives the reader. Throws setup_error.
    tun_reader(std::string name, int fd);
    ~tun_reader();  // stops
    tun_reader(const tun_reader&) = delete;
    tun_reader& operator=(const tun_reader&) = delete;

    // Once. The handlers are called on the reader's thread and must not throw. `niceness`: added
    // to the thread's, for one that must not stand in the way of others.
    void start(handlers call, int niceness = 0);
    // Ends the thread, at once.
    void stop();

  private:
    void read_packets(int niceness) noexcept;
    // False when the TUN has nothing more for now, or fails.
    bool read_one() noexcept;

    const std::string name_;
    const int fd_;
    owned_fd stop_event_;
    handlers call_;
    // Set by stop(), read by the reader after the event woke it.
    std::atomic<bool> stopping_{false};
    // Set by the reader for itself: the TUN failed, look again a little later.
    bool failing_ = false;
    std::unique_ptr<std::byte[]> buffer_;
    std::thread thread_;
};

}  // namespace diskhb::daemon
