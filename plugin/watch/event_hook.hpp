// SPDX-License-Identifier: BSD-3-Clause
// A program of the administrator's that is run for each event, one after the other, in the order of
// the events, and killed with all it has started when its time is over. Never blocks the loop; when
// too many events wait, the oldest is dropped, since the newest says how things are. Runs on the
// thread of its io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/child_process.hpp"

namespace diskhb::watch {

class event_hook {
  public:
    static constexpr std::size_t waiting_max = 16;

    // on_problem: one line for each run that failed or did not take place.
    event_hook(boost::asio::io_context& loop, std::string program,
               std::chrono::milliseconds timeout,
               std::function<void(const std::string&)> on_problem);
    ~event_hook();  // kills what runs
    event_hook(const event_hook&) = delete;
    event_hook& operator=(const event_hook&) = delete;

    void run(std::vector<std::string> environment);
    bool is_idle() const noexcept { return running_ == nullptr; }

  private:
    void start_next();
    void on_end(const daemon::child_process::outcome& how);

    boost::asio::io_context& loop_;
    std::string program_;
    std::chrono::milliseconds timeout_;
    std::function<void(const std::string&)> on_problem_;
    boost::asio::steady_timer timer_;
    std::deque<std::vector<std::string>> waiting_;
    std::shared_ptr<daemon::child_process> running_;
    bool is_overdue_ = false;
};

}  // namespace diskhb::watch
