// SPDX-License-Identifier: BSD-3-Clause
// diskhb metrics: what the daemons say, for Prometheus: printed, written to a file for
// node_exporter, or answered on a local address. A program of its own, so that no one who asks can
// keep a daemon busy.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>

#include "diskhb/error.hpp"
#include "tools/daemon_sockets.hpp"
#include "tools/daemon_status.hpp"
#include "tools/metrics.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds answer_timeout{2};
constexpr std::chrono::seconds request_timeout{5};
constexpr std::size_t request_bytes_max = 8192;
constexpr std::size_t connections_max = 8;

struct metrics_command {
    daemon_sockets sockets;
    std::string output;
    std::string listen;
};

std::string gather(const metrics_command& command) {
    // A daemon that does not answer is a metric too.
    const auto status_of = [](const std::string& socket, const char* daemon) {
        return daemon_status_if_any(socket, daemon, answer_timeout).status;
    };
    return metrics_text(status_of(command.sockets.ring, "diskhbd"),
                        status_of(command.sockets.quorum, "diskhb-quorumd"));
}

// Whoever reads the file finds the old text or the new one, never a part.
void write_whole(const std::string& path, const std::string& text) {
    const auto fresh = fmt::format("{}.{}", path, getpid());
    std::ofstream file(fresh, std::ios::trunc);
    file << text;
    file.close();
    if (!file || std::rename(fresh.c_str(), path.c_str()) != 0) {
        const int error = errno;
        (void)unlink(fresh.c_str());
        throw setup_error(error == EACCES || error == EPERM ? exit_permission : exit_failed,
                          fmt::format("{}: {}", path, std::strerror(error)));
    }
}

tcp::endpoint parse_endpoint(const std::string& text) {
    const auto colon = text.rfind(':');
    error_code error;
    auto host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    const auto address = asio::ip::make_address(host, error);
    const auto digits = colon == std::string::npos ? std::string() : text.substr(colon + 1);
    const bool is_number = !digits.empty() && digits.size() <= 5 &&
                           digits.find_first_not_of("0123456789") == std::string::npos;
    const int port = is_number ? std::stoi(digits) : 0;
    if (error || port < 1 || port > 65535 || !address.is_loopback()) {
        throw setup_error(exit_usage,
                          fmt::format("--listen {}: must be a loopback address and a port, such "
                                      "as 127.0.0.1:9720 or [::1]:9720",
                                      text));
    }
    return {address, static_cast<std::uint16_t>(port)};
}

// One request a connection; keeps itself alive by its pending operations.
class http_session : public std::enable_shared_from_this<http_session> {
  public:
    http_session(tcp::socket socket, const metrics_command& command,
                 std::shared_ptr<std::size_t> open)
        : socket_(std::move(socket)),
          timer_(socket_.get_executor()),
          command_(command),
          open_(std::move(open)) {
        ++*open_;
    }
    ~http_session() { --*open_; }

    void start() {
        timer_.expires_after(request_timeout);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->close();
            }
        });
        asio::async_read_until(socket_, asio::dynamic_buffer(input_, request_bytes_max), "\r\n\r\n",
                               [self = shared_from_this()](const error_code& error, std::size_t) {
                                   error ? self->close() : self->answer();
                               });
    }

  private:
    void answer() {
        try {
            output_ = metrics_answer(input_, [this] { return gather(command_); });
        } catch (const setup_error& problem) {
            output_ = http_answer("500 Internal Server Error", "text/plain",
                                  fmt::format("{}\n", problem.what()));
        }
        asio::async_write(
            socket_, asio::buffer(output_),
            [self = shared_from_this()](const error_code&, std::size_t) { self->close(); });
    }
    void close() {
        error_code ignored;
        timer_.cancel();
        (void)socket_.shutdown(tcp::socket::shutdown_both, ignored);
        (void)socket_.close(ignored);
    }

    tcp::socket socket_;
    asio::steady_timer timer_;
    const metrics_command& command_;
    std::shared_ptr<std::size_t> open_;
    std::string input_;
    std::string output_;
};

class http_server {
  public:
    http_server(asio::io_context& loop, const metrics_command& command)
        : command_(command), acceptor_(loop) {
        const auto endpoint = parse_endpoint(command.listen);
        error_code error;
        acceptor_.open(endpoint.protocol(), error);
        if (!error) {
            acceptor_.set_option(tcp::acceptor::reuse_address(true));
            acceptor_.bind(endpoint, error);
        }
        if (!error) {
            acceptor_.listen(connections_max, error);
        }
        if (error) {
            throw setup_error(exit_in_use,
                              fmt::format("--listen {}: {}", command.listen, error.message()));
        }
        accept();
    }

  private:
    void accept() {
        acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
            // One too many is closed unheard: it is local, and asks again.
            if (!error && *open_ < connections_max) {
                std::make_shared<http_session>(std::move(socket), command_, open_)->start();
            }
            if (error != asio::error::operation_aborted) {
                accept();
            }
        });
    }

    const metrics_command& command_;
    tcp::acceptor acceptor_;
    std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

int serve(const metrics_command& command) {
    asio::io_context loop;
    const http_server server(loop, command);
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&loop](const error_code&, int) { loop.stop(); });
    loop.run();
    return exit_ok;
}

int run_metrics(const metrics_command& command) {
    if (!command.listen.empty()) {
        return serve(command);
    }
    const auto text = gather(command);
    if (command.output.empty()) {
        fmt::print("{}", text);
    } else {
        write_whole(command.output, text);
    }
    return exit_ok;
}

}  // namespace

verb add_metrics(CLI::App& app) {
    auto options = std::make_shared<metrics_command>();
    CLI::App* const command =
        app.add_subcommand("metrics", "Print what the daemons say, for Prometheus");
    add_socket_options(*command, options->sockets);
    auto* const output = command->add_option(
        "--output", options->output, "replace this file, for node_exporter's textfile collector");
    command
        ->add_option("--listen", options->listen,
                     "answer HTTP on this loopback address and port, until SIGTERM")
        ->excludes(output);
    return {command, [options] { return run_metrics(*options); }};
}

}  // namespace diskhb::tools
