// SPDX-License-Identifier: BSD-3-Clause
#include "channel/greeting.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>

namespace diskhb::channels {

namespace asio = boost::asio;

greeting::greeting(tcp::socket socket, on_done done)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), done_(std::move(done)) {}

void greeting::start(std::chrono::nanoseconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) {
            close(self->socket_, true);
        }
    });
    read(0, hello_prefix_bytes);
}

void greeting::read(std::size_t from, std::size_t to) {
    asio::async_read(
        socket_, asio::buffer(bytes_.data() + from, to - from),
        [self = shared_from_this(), to](const boost::system::error_code& error, std::size_t) {
            if (error) {
                self->finish(error);
                return;
            }
            const std::span<const std::byte> all(self->bytes_.data(), to);
            if (to > hello_prefix_bytes) {
                self->finish(decode_hello(all));
            } else if (const auto length = hello_length(all); length) {
                self->read(to, *length);
            } else {
                self->finish(length.error());
            }
        });
}

void greeting::finish(const result<hello>& theirs) {
    timer_.cancel();
    if (!theirs) {
        close(socket_, true);
    }
    done_(std::move(socket_), theirs);
}

bool send_hello(tcp::socket& socket, const hello& ours) {
    const auto bytes = encode_hello(ours);
    const auto sent =
        ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

void close(tcp::socket& socket, bool abort) noexcept {
    boost::system::error_code ignored;
    if (socket.is_open() && abort) {
        socket.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    socket.close(ignored);
}

bool prepare(tcp::socket& socket) noexcept {
    boost::system::error_code error;
    socket.set_option(tcp::no_delay(true), error);
    if (!error) {
        socket.non_blocking(true, error);
    }
    return !error;
}

}  // namespace diskhb::channels
