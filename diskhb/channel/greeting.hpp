// SPDX-License-Identifier: BSD-3-Clause
// The first bytes of a connection: reads exactly one hello, in bounded memory and time, so that
// nothing of the frames behind it is swallowed. The host's thread.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <span>

#include "channel/wire.hpp"

namespace diskhb::channels {

using tcp = boost::asio::ip::tcp;

class greeting : public std::enable_shared_from_this<greeting> {
  public:
    // The socket is not open if there was no hello in time.
    using on_done = std::function<void(tcp::socket socket, const result<hello>& theirs)>;

    greeting(tcp::socket socket, on_done done);
    // Calls on_done once, later.
    void start(std::chrono::nanoseconds patience);

  private:
    void read(std::size_t from, std::size_t to);
    void finish(const result<hello>& theirs);

    tcp::socket socket_;
    boost::asio::steady_timer timer_;
    on_done done_;
    std::array<std::byte, hello_bytes_max> bytes_{};
};

// Sends a hello on a fresh connection, whose buffer is empty: at once or, if it does not fit,
// false.
bool send_hello(tcp::socket& socket, const hello& ours);

// Ends a connection; `abort` drops what it still holds, in both kernels.
void close(tcp::socket& socket, bool abort) noexcept;

// What all connections of channels are set to. False if the connection is gone already.
bool prepare(tcp::socket& socket) noexcept;

}  // namespace diskhb::channels
