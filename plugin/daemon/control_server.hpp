// SPDX-License-Identifier: BSD-3-Clause
// The control socket: a unix stream socket on which each line is a request that is answered by one
// line. Knows nothing of what the lines say. Runs on the thread of its io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "diskhb/error.hpp"

namespace diskhb::daemon {

class control_server {
  public:
    // Answers once, from any thread, now or later.
    using answer_function = std::function<void(std::string reply)>;
    using request_handler = std::function<void(const std::string& line, answer_function answer)>;

    // Connections beyond this are told so and closed; so are those silent for a minute.
    static constexpr std::size_t connections_max = 32;

    // Creates the socket with mode 0660, and its folder if that is missing. A socket that nobody
    // listens on is replaced; one that somebody listens on: setup_error(exit_in_use), which names
    // the `program` that this must be.
    control_server(boost::asio::io_context& context, const char* program, std::string path,
                   request_handler handler);
    ~control_server();  // removes the socket
    control_server(const control_server&) = delete;
    control_server& operator=(const control_server&) = delete;

  private:
    class session;
    void accept();

    std::string path_;
    request_handler handler_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
};

}  // namespace diskhb::daemon
