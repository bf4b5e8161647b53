// SPDX-License-Identifier: BSD-3-Clause
// diskhb-copyd: a copy_job for each ring with copy = "builtin", and a main loop for signals, the
// control socket, the log and systemd. It never touches a network interface, and diskhbd goes on
// without it. Threads: this loop, and two of each job.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/control_server.hpp"
#include "plugin/replication/copy_protocol.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/control_protocol.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

// Throws setup_error(exit_config) if no ring has copy = "builtin".
void refuse_nothing_to_copy(const daemon_config& config);

class copy_daemon {
  public:
    // Creates the control socket. Throws setup_error, also if no ring is copied by it.
    copy_daemon(const daemon_config& config, spdlog::logger& log);
    ~copy_daemon();

    // Until SIGTERM or SIGINT; then what is new is copied, and it returns within two seconds even
    // when a device hangs.
    void run();

  private:
    struct copied_ring {
        const ring_config* config = nullptr;
        std::unique_ptr<replication::copy_job> job;
        std::string last_told;  // of the log
    };
    class waiting_request;

    void log_changes();
    void handle_request(const std::string& line, const control_server::answer_function& answer);
    void handle_copy(const control_request& request, const control_server::answer_function& answer);
    std::vector<copy_snapshot> snapshots() const;
    std::string status_text() const;
    void stop();

    const daemon_config& config_;
    spdlog::logger& log_;
    const std::chrono::steady_clock::time_point started_;
    boost::asio::io_context loop_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer change_timer_;
    boost::asio::steady_timer watchdog_timer_;
    std::unique_ptr<control_server> control_;
    std::vector<copied_ring> rings_;
    std::string status_text_;
};

}  // namespace diskhb::daemon
