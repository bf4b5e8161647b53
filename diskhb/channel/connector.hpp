// SPDX-License-Identifier: BSD-3-Clause
// Connects to the other side of a channel on one path, again and again until it stands. The host's
// thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "channel/greeting.hpp"

namespace diskhb::channels {

class connector : public std::enable_shared_from_this<connector> {
  public:
    struct setup {
        tcp::endpoint to;
        boost::asio::ip::address from;
        std::chrono::nanoseconds patience;  // for one attempt, and between the starts of two
        std::function<hello()> our_hello;
        // Takes the socket, or false if the other side is not welcome.
        std::function<bool(tcp::socket& socket, const hello& theirs)> connected;
    };
    connector(boost::asio::io_context& context, setup what);

    // Does nothing if it is at work already.
    void start();
    void stop();

  private:
    void attempt();
    void on_connected(const boost::system::error_code& error);
    void try_again();

    setup setup_;
    boost::asio::io_context& context_;
    boost::asio::steady_timer next_attempt_;
    boost::asio::steady_timer deadline_;
    std::optional<tcp::socket> socket_;
    bool is_working_ = false;
    bool is_stopped_ = false;
};

}  // namespace diskhb::channels
