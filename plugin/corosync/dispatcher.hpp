// SPDX-License-Identifier: BSD-3-Clause
// What the wrappers of Corosync's libraries have in common: a file descriptor that the library owns
// and that becomes readable when there is something to dispatch, or when Corosync has gone. Runs on
// the thread of its io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "plugin/corosync/cs_error.hpp"

namespace diskhb::corosync {

class dispatcher {
  public:
    // Calls the library's dispatch function, which calls what the wrapper has handed over to it.
    using dispatch_function = std::function<error_code()>;
    // Once: the connection is of no use any more.
    using loss_handler = std::function<void(const error_code&)>;

    explicit dispatcher(boost::asio::io_context& context) : descriptor_(context) {}
    ~dispatcher() { release(); }
    dispatcher(const dispatcher&) = delete;
    dispatcher& operator=(const dispatcher&) = delete;

    error_code watch(int descriptor, dispatch_function dispatch, loss_handler on_lost);
    // Before the library closes the descriptor: leaves it open. No handler is called afterwards.
    void release();

  private:
    void wait();
    void handle_ready();

    boost::asio::posix::stream_descriptor descriptor_;
    dispatch_function dispatch_;
    loss_handler on_lost_;
    std::shared_ptr<int> life_;  // none: released, pending waits end without effect
};

}  // namespace diskhb::corosync
