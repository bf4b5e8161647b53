// SPDX-License-Identifier: BSD-3-Clause
#include "channel/connector.hpp"

#include <boost/asio/io_context.hpp>

namespace diskhb::channels {

connector::connector(boost::asio::io_context& context, setup what)
    : setup_(std::move(what)), context_(context), next_attempt_(context), deadline_(context) {}

void connector::start() {
    if (!is_working_ && !is_stopped_) {
        is_working_ = true;
        // Not at once when the last attempt was a moment ago, however well it went.
        try_again();
    }
}

void connector::stop() {
    is_stopped_ = true;
    next_attempt_.cancel();
    deadline_.cancel();
    if (socket_) {
        close(*socket_, true);
    }
}

void connector::attempt() {
    next_attempt_.expires_after(setup_.patience);
    socket_.emplace(context_);
    boost::system::error_code error;
    socket_->open(setup_.to.protocol(), error);
    if (!error) {
        // From the address of that path, so that the answers come back on it.
        socket_->bind({setup_.from, 0}, error);
    }
    if (error) {
        try_again();
        return;
    }
    deadline_.expires_after(setup_.patience);
    deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
        if (!cancelled && self->socket_) {
            close(*self->socket_, true);
        }
    });
    socket_->async_connect(setup_.to,
                           [self = shared_from_this()](const boost::system::error_code& failed) {
                               self->on_connected(failed);
                           });
}

void connector::on_connected(const boost::system::error_code& error) {
    deadline_.cancel();
    if (error || is_stopped_ || !socket_->is_open() || !prepare(*socket_) ||
        !send_hello(*socket_, setup_.our_hello())) {
        try_again();
        return;
    }
    auto socket = std::move(*socket_);
    socket_.reset();
    const auto rest = std::max<std::chrono::nanoseconds>(
        next_attempt_.expiry() - std::chrono::steady_clock::now(), std::chrono::milliseconds(1));
    std::make_shared<greeting>(std::move(socket), [self = shared_from_this()](
                                                      tcp::socket greeted,
                                                      const result<hello>& theirs) {
        if (self->is_stopped_) {
            return;
        }
        if (theirs && self->setup_.connected(greeted, *theirs)) {
            self->is_working_ = false;
        } else {
            close(greeted, true);
            self->try_again();
        }
    })->start(rest);
}

void connector::try_again() {
    if (socket_) {
        close(*socket_, true);
        socket_.reset();
    }
    if (is_stopped_) {
        return;
    }
    next_attempt_.async_wait(
        [self = shared_from_this()](const boost::system::error_code& cancelled) {
            if (!cancelled && !self->is_stopped_) {
                self->attempt();
            }
        });
}

}  // namespace diskhb::channels
