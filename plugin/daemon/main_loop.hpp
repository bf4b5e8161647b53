// SPDX-License-Identifier: BSD-3-Clause
// What the daemons' main loops have in common. Thread of the loop; nothing here ends it.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

// Calls `action` again and again, the first time after `interval`, until the timer is cancelled or
// the loop is stopped. The timer must outlast the loop.
void repeat(boost::asio::steady_timer& timer, std::chrono::steady_clock::duration interval,
            std::function<void()> action);

// Tells systemd's watchdog that the loop turns, if systemd wants to know.
void feed_watchdog(boost::asio::steady_timer& timer);

// SIGHUP calls `on_hangup`; every other signal of the set is logged and calls `on_stop`. Both may
// be called more than once. The set must outlast the loop.
void handle_signals(boost::asio::signal_set& signals, spdlog::logger& log,
                    std::function<void()> on_hangup, std::function<void()> on_stop);

}  // namespace diskhb::daemon
