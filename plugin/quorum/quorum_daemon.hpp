// SPDX-License-Identifier: BSD-3-Clause
// diskhb-quorumd: the lease, between the volumes and Corosync. Threads: this loop, which decides,
// answers the control socket and watches heuristics; one for each volume (disk_thread); one for
// votequorum (vote_thread). No other thread is waited for here: a volume that hangs gives no
// results, and Corosync hanging gives no answers; the lease knows what that means. If this loop
// hangs, the vote thread withdraws the vote when its time is over.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/clock.hpp"
#include "plugin/daemon/control_server.hpp"
#include "plugin/quorum/disk_thread.hpp"
#include "plugin/quorum/heuristics.hpp"
#include "plugin/quorum/lease.hpp"
#include "plugin/quorum/process_watch.hpp"
#include "plugin/quorum/quorum_config.hpp"
#include "plugin/quorum/quorum_status.hpp"
#include "plugin/quorum/vote_thread.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::quorum {

class quorum_daemon {
  public:
    // Creates the control socket and opens the volumes. Throws setup_error; then no vote was cast
    // and nothing was written. A volume that is not there, or hangs, is no reason not to start.
    quorum_daemon(const quorum_config& config, spdlog::logger& log);
    ~quorum_daemon();

    // Until SIGTERM or SIGINT, or until it cannot go on. Returns the exit code, at the latest some
    // seconds after, whatever hangs.
    int run();

  private:
    // quorum_daemon.cpp: from inputs to actions.
    void step(const lease_input& input);
    void carry_out(const lease_actions& actions, std::uint64_t now_ns);
    void arm(std::uint64_t wake_ns, std::uint64_t now_ns);
    void handle_disk(const disk_result& result);
    void handle_heuristics(bool passed, const std::string& why);
    void handle_request(const std::string& line,
                        const daemon::control_server::answer_function& answer);
    void begin_stop(int exit_code);
    void end(const char* how);

    // quorum_daemon_start.cpp: before the first vote.
    void open_volumes();

    // quorum_daemon_corosync.cpp: what Corosync says.
    std::unique_ptr<vote_thread> make_vote_thread();
    void handle_ring(const ring_id& ring, const slot_set& members, bool is_waiting);
    void handle_quorum(const quorum_news& news);
    void handle_accepted(std::uint64_t generation);
    void handle_corosync_failure(const std::string& what, bool is_final);

    // quorum_daemon_watch.cpp: what is told to people and to systemd.
    void tell(const lease_actions& actions, std::uint64_t now_ns);
    void watch();
    void watch_volume(std::size_t index);
    void become_ready();
    void explain_hangup();
    quorum_snapshot snapshot() const;

    const quorum_config& config_;
    spdlog::logger& log_;
    const std::shared_ptr<const engine::clock> clock_;
    const std::uint64_t incarnation_;
    const std::uint64_t started_ns_;
    boost::asio::io_context loop_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer wake_timer_;
    boost::asio::steady_timer watch_timer_;
    boost::asio::steady_timer watchdog_timer_;
    boost::asio::steady_timer stop_timer_;
    std::unique_ptr<daemon::control_server> control_;
    lease lease_;
    heuristics heuristics_;
    process_watch corosync_process_;
    std::vector<std::unique_ptr<disk_thread>> disks_;
    std::unique_ptr<vote_thread> votes_;

    vote_order last_order_;
    bool is_registered_ = false;  // the vote thread was started
    bool is_stopping_ = false;
    int exit_code_ = 0;
    bool is_ready_ = false;
    corosync_snapshot corosync_;
    std::uint64_t vote_since_ns_ = 0;
    format::heuristics_result last_result_ = format::heuristics_result::off;
    std::string status_text_;
    struct volume_view {
        std::string state = "opening";
        std::string error;
        bool hangs = false;
    };
    std::vector<volume_view> views_;  // what the log has said of each volume
};

}  // namespace diskhb::quorum
