// SPDX-License-Identifier: BSD-3-Clause
// The commands of [quorum.heuristics]: child processes, all at once, and killed with what they have
// started when their time is over. Never blocks the loop. Runs on the thread of its io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/child_process.hpp"
#include "plugin/quorum/quorum_config.hpp"

namespace diskhb::quorum {

class heuristics {
  public:
    // Of a run that has ended. why: the first command that failed, and how; empty if none did.
    using listener = std::function<void(bool passed, const std::string& why)>;

    heuristics(boost::asio::io_context& loop, const heuristics_config& config, listener on_result);
    ~heuristics();  // kills what runs
    heuristics(const heuristics&) = delete;
    heuristics& operator=(const heuristics&) = delete;

    // The first run; in mode on further ones follow. In mode off none.
    void start();
    // Starts a run at once, with the time that the sync phase has; one under way is given up.
    void ring_has_changed();

  private:
    struct child {
        const heuristic* command = nullptr;
        std::shared_ptr<daemon::child_process> process;
    };
    void run(milliseconds timeout);
    void on_exit(const heuristic& command, const daemon::child_process::outcome& how);
    void finish(bool passed, const std::string& why);
    void schedule();

    boost::asio::io_context& loop_;
    const heuristics_config& config_;
    listener on_result_;
    boost::asio::steady_timer timeout_;
    boost::asio::steady_timer interval_;
    std::vector<child> children_;  // that run
};

}  // namespace diskhb::quorum
