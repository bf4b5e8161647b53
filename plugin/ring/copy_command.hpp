// SPDX-License-Identifier: BSD-3-Clause
// Runs the copy command of a ring when copy_runner says so, as a child process, and tells what
// comes of it. The engine's threads are not concerned: it looks at their counters. Main thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/child_process.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/copy_runner.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

class copy_command {
  public:
    // count_writes: the table blocks that the ring has written until now. All outlive the object.
    copy_command(boost::asio::io_context& loop, const daemon_config& config,
                 const ring_config& ring, std::function<std::uint64_t()> count_writes,
                 spdlog::logger& log);
    ~copy_command();  // kills what runs
    copy_command(const copy_command&) = delete;
    copy_command& operator=(const copy_command&) = delete;

    void start();
    // See copy_runner.
    std::uint64_t request();
    copy_runner::answer outcome_of(std::uint64_t run) const noexcept {
        return runner_.outcome_of(run);
    }
    const copy_runner_status& status() const noexcept { return runner_.status(); }

  private:
    void look();
    void arm();
    void run(const copy_runner::action& wanted);
    void on_ended(const run_outcome& outcome);
    void tell(const copy_runner_status& before);

    boost::asio::io_context& loop_;
    const ring_config& ring_;
    std::function<std::uint64_t()> count_writes_;
    spdlog::logger& log_;
    const std::vector<std::string> environment_;
    copy_runner runner_;
    std::uint64_t look_interval_ns_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<child_process> child_;
};

}  // namespace diskhb::daemon
