// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/event_hook.hpp"

#include <fmt/format.h>

#include <utility>

namespace diskhb::watch {

event_hook::event_hook(boost::asio::io_context& loop, std::string program,
                       std::chrono::milliseconds timeout,
                       std::function<void(const std::string&)> on_problem)
    : loop_(loop),
      program_(std::move(program)),
      timeout_(timeout),
      on_problem_(std::move(on_problem)),
      timer_(loop) {}

event_hook::~event_hook() {
    if (running_) {
        running_->abandon();
    }
}

void event_hook::run(std::vector<std::string> environment) {
    if (waiting_.size() >= waiting_max) {
        const auto& oldest = waiting_.front();
        on_problem_(fmt::format("{}: an event is left out, {} wait already: {}", program_,
                                waiting_max, oldest.empty() ? "" : oldest.front()));
        waiting_.pop_front();
    }
    waiting_.push_back(std::move(environment));
    if (!running_) {
        start_next();
    }
}

void event_hook::start_next() {
    while (!waiting_.empty()) {
        const auto environment = std::move(waiting_.front());
        waiting_.pop_front();
        running_ = std::make_shared<daemon::child_process>(loop_);
        const auto problem =
            running_->start({program_}, environment, [this](const auto& how) { on_end(how); });
        if (problem.empty()) {
            is_overdue_ = false;
            timer_.expires_after(timeout_);
            timer_.async_wait([this](const boost::system::error_code& error) {
                if (!error && running_) {
                    is_overdue_ = true;
                    running_->kill();
                }
            });
            return;
        }
        running_.reset();
        on_problem_(fmt::format("{}: cannot be started: {}", program_, problem));
    }
}

void event_hook::on_end(const daemon::child_process::outcome& how) {
    timer_.cancel();
    running_.reset();
    const auto said = how.last_line.empty() ? "" : ": " + how.last_line;
    if (is_overdue_) {
        on_problem_(fmt::format("{}: killed after {} ms{}", program_, timeout_.count(), said));
    } else if (how.signal != 0) {
        on_problem_(fmt::format("{}: ended by signal {}{}", program_, how.signal, said));
    } else if (how.exit_code != 0) {
        on_problem_(fmt::format("{}: exit status {}{}", program_, how.exit_code, said));
    }
    start_next();
}

}  // namespace diskhb::watch
