// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/main_loop.hpp"

#include <spdlog/logger.h>

#include <csignal>
#include <utility>

#include "plugin/daemon/process.hpp"

namespace diskhb::daemon {

using boost::system::error_code;

void repeat(boost::asio::steady_timer& timer, std::chrono::steady_clock::duration interval,
            std::function<void()> action) {
    timer.expires_after(interval);
    timer.async_wait([&timer, interval, action = std::move(action)](const error_code& error) {
        if (!error) {
            action();
            repeat(timer, interval, action);
        }
    });
}

void feed_watchdog(boost::asio::steady_timer& timer) {
    if (const auto interval = watchdog_interval(); interval) {
        repeat(timer, *interval, &notify_watchdog);
    }
}

void handle_signals(boost::asio::signal_set& signals, spdlog::logger& log,
                    std::function<void()> on_hangup, std::function<void()> on_stop) {
    signals.async_wait([&signals, &log, on_hangup = std::move(on_hangup),
                        on_stop = std::move(on_stop)](const error_code& error, int signal) {
        if (error) {
            return;
        }
        if (signal == SIGHUP) {
            on_hangup();
        } else {
            log.info("stopping on signal {}", signal);
            on_stop();
        }
        handle_signals(signals, log, on_hangup, on_stop);
    });
}

}  // namespace diskhb::daemon
