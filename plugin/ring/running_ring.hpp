// SPDX-License-Identifier: BSD-3-Clause
// One ring at work: its interface, its engine and the tunnel between them. Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "plugin/ring/change_log.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/control_protocol.hpp"
#include "plugin/ring/ring_interface.hpp"
#include "plugin/ring/route_table.hpp"
#include "plugin/ring/route_tunnel.hpp"
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

    // Creates the interface, and the one of the routes if `whole` has any for this ring. All but
    // on_message outlive the ring. Throws setup_error.
    running_ring(const ring_config& config, const daemon_config& whole, netlink& kernel,
                 message_function on_message, spdlog::logger& log);

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

    // What follows is for a ring that carries routes. From now on what is sent by the route with
    // that index goes to that node; 0: to none.
    void set_carrier(std::size_t route, std::uint32_t node_id) noexcept {
        table_.set_carrier(route, node_id);
    }
    int route_interface_index() const noexcept { return routed_ ? routed_->interface_index() : 0; }
    // True if the interface of the routes had vanished and was made again. Throws setup_error.
    bool check_route_interface() { return routed_ && routed_->check(); }

  private:
    std::uint64_t unread_by(std::uint32_t node_id) const;

    const ring_config& config_;
    spdlog::logger& log_;
    ring_interface interface_;
    route_table table_;
    std::unique_ptr<route_tunnel> routed_;  // null without routes
    tunnel tunnel_;
    node engine_;  // after the tunnel: it delivers into it until it ends
    change_log changes_;
    interface_report report_;
    std::set<std::string> known_errors_;
};

}  // namespace diskhb::daemon
