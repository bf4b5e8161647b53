// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/control_server.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include "plugin/daemon/control_reply.hpp"

namespace diskhb::daemon {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds idle_max{60};
constexpr std::chrono::milliseconds accept_pause{100};
constexpr mode_t socket_mode = 0660;

// Somebody listens there: the answer to connect() tells.
bool is_alive(asio::io_context& context, const std::string& path) {
    stream_protocol::socket probe(context);
    error_code error;
    probe.connect(stream_protocol::endpoint(path), error);
    return !error;
}

[[noreturn]] void throw_socket_error(const std::string& path, const error_code& error) {
    throw setup_error(
        error == boost::system::errc::permission_denied ? exit_permission : exit_failed,
        fmt::format("control socket {}: {}", path, error.message()));
}

void make_folder(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        throw setup_error(error == std::errc::permission_denied ? exit_permission : exit_failed,
                          fmt::format("control socket {}: folder {}: {}", path, folder.string(),
                                      error.message()));
    }
}

}  // namespace

// One connection; keeps itself alive by its pending operations.
class control_server::session : public std::enable_shared_from_this<session> {
  public:
    session(stream_protocol::socket socket, request_handler handler,
            std::shared_ptr<std::size_t> connections)
        : socket_(std::move(socket)),
          idle_(socket_.get_executor()),
          handler_(std::move(handler)),
          connections_(std::move(connections)) {
        ++*connections_;
    }
    ~session() { --*connections_; }

    void start() {
        if (*connections_ > connections_max) {
            closing_ = true;
            write(
                error_reply(fmt::format("more than {} connections", connections_max), exit_failed));
            return;
        }
        read();
    }

  private:
    void read() {
        idle_.expires_after(idle_max);
        idle_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->close();
            }
        });
        asio::async_read_until(
            socket_, asio::dynamic_buffer(input_, request_bytes_max), '\n',
            [self = shared_from_this()](const error_code& error, std::size_t size) {
                self->idle_.cancel();
                self->on_line(error, size);
            });
    }

    void on_line(const error_code& error, std::size_t size) {
        if (error == asio::error::not_found) {
            closing_ = true;
            write(error_reply(fmt::format("a request has at most {} bytes", request_bytes_max),
                              exit_usage));
            return;
        }
        if (error) {
            close();
            return;
        }
        const std::string line = input_.substr(0, size - 1);
        input_.erase(0, size);
        handler_(line, [self = shared_from_this()](std::string reply) {
            asio::post(self->socket_.get_executor(), [self, reply = std::move(reply)]() mutable {
                self->write(std::move(reply));
            });
        });
    }

    void write(std::string reply) {
        output_ = std::move(reply);
        output_ += '\n';
        // A client that does not read its answer is closed like one that does not ask.
        idle_.expires_after(idle_max);
        idle_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->close();
            }
        });
        asio::async_write(socket_, asio::buffer(output_),
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                              self->idle_.cancel();
                              if (error || self->closing_) {
                                  self->close();
                              } else {
                                  self->read();
                              }
                          });
    }

    void close() {
        error_code ignored;
        (void)socket_.close(ignored);
    }

    stream_protocol::socket socket_;
    asio::steady_timer idle_;
    request_handler handler_;
    std::shared_ptr<std::size_t> connections_;
    std::string input_;
    std::string output_;
    bool closing_ = false;
};

control_server::control_server(asio::io_context& context, const char* program, std::string path,
                               request_handler handler)
    : path_(std::move(path)), handler_(std::move(handler)), acceptor_(context) {
    make_folder(path_);
    if (is_alive(context, path_)) {
        throw setup_error(exit_in_use,
                          fmt::format("another {} answers on {}; stop it first", program, path_));
    }
    struct stat found {};
    if (lstat(path_.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
        throw setup_error(exit_in_use,
                          fmt::format("control socket {}: there is something else", path_));
    }
    unlink(path_.c_str());
    error_code error;
    acceptor_.open(stream_protocol(), error);
    if (!error) {
        // Nobody else may connect before the mode is set.
        const auto mask = umask(0777 & ~socket_mode);
        acceptor_.bind(stream_protocol::endpoint(path_), error);
        umask(mask);
    }
    if (!error) {
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
        throw_socket_error(path_, error);
    }
    accept();
}

control_server::~control_server() { unlink(path_.c_str()); }

void control_server::accept() {
    acceptor_.async_accept([this](const error_code& error, stream_protocol::socket socket) {
        if (error == asio::error::operation_aborted) {
            return;
        }
        if (!error) {
            std::make_shared<session>(std::move(socket), handler_, connections_)->start();
            accept();
            return;
        }
        // Out of descriptors, most likely: again a little later instead of at once.
        auto pause = std::make_shared<asio::steady_timer>(acceptor_.get_executor(), accept_pause);
        pause->async_wait([this, pause](const error_code& stopped) {
            if (!stopped) {
                accept();
            }
        });
    });
}

}  // namespace diskhb::daemon
