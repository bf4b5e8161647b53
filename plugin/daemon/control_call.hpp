// SPDX-License-Identifier: BSD-3-Clause
// Asks another daemon of this host over its control socket, one line for one line, without waiting.
// Runs on the thread of its io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>

namespace diskhb::daemon {

// Called once: the reply without its line feed, or empty and why there is none.
using control_listener = std::function<void(const std::string& reply, const std::string& error)>;
void control_call(boost::asio::io_context& loop, const std::string& socket_path,
                  const std::string& request, std::chrono::milliseconds timeout,
                  control_listener on_reply);

}  // namespace diskhb::daemon
