// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/control_call.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <utility>

namespace diskhb::daemon {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr std::size_t reply_bytes_max = 1 << 20;

// Keeps itself alive by its pending operations.
class call : public std::enable_shared_from_this<call> {
  public:
    call(asio::io_context& loop, const std::string& request, control_listener on_reply)
        : socket_(loop), timer_(loop), output_(request + "\n"), on_reply_(std::move(on_reply)) {}

    void start(const std::string& path, std::chrono::milliseconds timeout) {
        timer_.expires_after(timeout);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->end({}, "no answer in time");
            }
        });
        socket_.async_connect(stream_protocol::endpoint(path),
                              [self = shared_from_this()](const error_code& error) {
                                  self->proceed(error, [&] { self->write(); });
                              });
    }

  private:
    template <class Next>
    void proceed(const error_code& error, Next&& next) {
        if (error) {
            end({}, error.message());
        } else if (on_reply_) {
            next();
        }
    }
    void write() {
        asio::async_write(socket_, asio::buffer(output_),
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                              self->proceed(error, [&] { self->read(); });
                          });
    }
    void read() {
        asio::async_read_until(
            socket_, asio::dynamic_buffer(input_, reply_bytes_max), '\n',
            [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                self->proceed(error, [&] { self->end(self->input_.substr(0, bytes - 1), {}); });
            });
    }
    void end(const std::string& reply, const std::string& error) {
        timer_.cancel();
        error_code ignored;
        (void)socket_.close(ignored);
        if (on_reply_) {
            std::exchange(on_reply_, nullptr)(reply, error);
        }
    }

    stream_protocol::socket socket_;
    asio::steady_timer timer_;
    std::string output_;
    std::string input_;
    control_listener on_reply_;
};

}  // namespace

void control_call(asio::io_context& loop, const std::string& socket_path,
                  const std::string& request, std::chrono::milliseconds timeout,
                  control_listener on_reply) {
    std::make_shared<call>(loop, request, std::move(on_reply))->start(socket_path, timeout);
}

}  // namespace diskhb::daemon
