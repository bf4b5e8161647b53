// SPDX-License-Identifier: BSD-3-Clause
// One ring at work: its interface, its engine and the tunnel between them. Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>

#include "plugin/ring/change_log.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/control_protocol.hpp"
#include "plugin/ring/ring_interface.hpp"
#include "plugin/ring/tunnel.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

class running_ring {
  public:
    // Datagrams of peers that are no packets but messages of their daemons; engine's threads.
    using message_function =
        std::function<void(std::uint32_t from, std::span<const std::byte> bytes)>;

    // Creates the interface. `config`, `kernel` and `log` outlive the ring. Throws setup_error.
    running_ring(const ring_config& config, netlink& kernel, message_function on_message,
                 spdlog::logger& log);

    // Drains the interface from now on, and joins when the volume is there.
    void start();
    // Reads no more packets and leaves the ring; waits for a hanging volume at most `patience`.
    void stop(std::chrono::milliseconds patience);

    const ring_config& config() const noexcept { return config_; }
    node& engine() noexcept { return engine_; }
    ring_snapshot snapshot() const;

    // Logs what has changed since the last call; returns one line for systemd.
    std::string log_changes();
    // Looks at the interface, repairs it and logs that; the same error is logged once.
    void check_interface();

  private:
    const ring_config& config_;
    spdlog::logger& log_;
    ring_interface interface_;
    tunnel tunnel_;
    node engine_;  // after the tunnel: it delivers into it until it ends
    change_log changes_;
    interface_report report_;
    std::set<std::string> known_errors_;
};

}  // namespace diskhb::daemon
