// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/heuristics.hpp"

#include <fmt/format.h>

#include <utility>

namespace diskhb::quorum {

namespace asio = boost::asio;
using boost::system::error_code;
using daemon::child_process;

namespace {

// Empty: exit status 0.
std::string words_of(const child_process::outcome& how) {
    if (how.signal != 0) {
        return fmt::format("ended by signal {}", how.signal);
    }
    return how.exit_code == 0 ? std::string() : fmt::format("exit status {}", how.exit_code);
}

}  // namespace

heuristics::heuristics(asio::io_context& loop, const heuristics_config& config, listener on_result)
    : loop_(loop),
      config_(config),
      on_result_(std::move(on_result)),
      timeout_(loop),
      interval_(loop) {}

heuristics::~heuristics() {
    for (const auto& each : children_) {
        each.process->abandon();
    }
}

void heuristics::start() {
    if (config_.mode != heuristics_config::when::off) {
        run(config_.timeout);
    }
}

void heuristics::ring_has_changed() {
    if (config_.mode != heuristics_config::when::off) {
        run(config_.sync_timeout);
    }
}

void heuristics::run(milliseconds timeout) {
    for (const auto& each : std::exchange(children_, {})) {
        each.process->abandon();
    }
    interval_.cancel();
    timeout_.expires_after(timeout);
    timeout_.async_wait([this, timeout](const error_code& error) {
        if (!error && !children_.empty()) {
            finish(false, fmt::format("{}: no answer within {} ms", children_.front().command->name,
                                      timeout.count()));
        }
    });
    for (const heuristic& command : config_.commands) {
        auto process = std::make_shared<child_process>(loop_);
        const auto why = process->start(
            command.words, {},
            [this, &command](const child_process::outcome& how) { on_exit(command, how); });
        if (!why.empty()) {
            finish(false, fmt::format("{}: cannot be started: {}", command.name, why));
            return;
        }
        children_.push_back({&command, std::move(process)});
    }
}

void heuristics::on_exit(const heuristic& command, const child_process::outcome& how) {
    if (const auto why = words_of(how); !why.empty()) {
        finish(false, fmt::format("{}: {}", command.name, why));
        return;
    }
    std::erase_if(children_, [&](const auto& each) { return each.command == &command; });
    if (children_.empty()) {
        finish(true, {});
    }
}

void heuristics::finish(bool passed, const std::string& why) {
    for (const auto& each : std::exchange(children_, {})) {
        each.process->abandon();
    }
    timeout_.cancel();
    if (config_.mode == heuristics_config::when::on) {
        schedule();
    }
    on_result_(passed, why);
}

void heuristics::schedule() {
    interval_.expires_after(config_.interval);
    interval_.async_wait([this](const error_code& error) {
        if (!error) {
            run(config_.timeout);
        }
    });
}

}  // namespace diskhb::quorum
