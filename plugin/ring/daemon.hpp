// SPDX-License-Identifier: BSD-3-Clause
// diskhbd: one engine and one TUN a ring, and a main loop for everything that is not urgent:
// signals, the control socket, the log of changes, repairs of the interfaces, systemd. Packets
// never pass through the main loop. Threads: this loop, two small ones for pings, and for each ring
// the TUN reader (tunnel) and those of the engine (node).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/control_server.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/control_protocol.hpp"
#include "plugin/ring/copy_service.hpp"
#include "plugin/ring/netlink.hpp"
#include "plugin/ring/route_service.hpp"
#include "plugin/ring/running_ring.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

class ring_daemon {
  public:
    // Creates the control socket and the interfaces. Throws setup_error.
    ring_daemon(const daemon_config& config, std::string config_path, spdlog::logger& log);
    ~ring_daemon();

    // Until SIGTERM or SIGINT; then returns within two seconds, even when a volume hangs, with
    // interfaces and control socket free for another daemon. A thread that the kernel does not let
    // go of its I/O keeps the process as a zombie until the volume answers; nothing can end it.
    void run();

  private:
    void explain_hangup();
    void log_changes();
    void check_interfaces();
    void handle_request(const std::string& line, const control_server::answer_function& answer);
    void handle_ping(const control_request& request, const control_server::answer_function& answer);
    std::vector<ring_access> ring_accesses();
    std::vector<ring_snapshot> snapshots() const;
    std::string status_text() const;
    void stop();

    const daemon_config& config_;
    const std::string config_path_;
    spdlog::logger& log_;
    const std::chrono::steady_clock::time_point started_;
    boost::asio::io_context loop_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer change_timer_;
    boost::asio::steady_timer interface_timer_;
    boost::asio::steady_timer watchdog_timer_;
    boost::asio::thread_pool ping_threads_;
    netlink kernel_;
    std::unique_ptr<control_server> control_;
    std::vector<std::unique_ptr<running_ring>> rings_;
    std::unique_ptr<copy_service> copies_;
    std::unique_ptr<route_service> routes_;
    std::string status_text_;
};

}  // namespace diskhb::daemon
