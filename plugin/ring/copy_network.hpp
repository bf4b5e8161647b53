// SPDX-License-Identifier: BSD-3-Clause
// Messages between the daemons of two nodes by UDP, from and to the addresses of Corosync's link 0
// (diskhbd(8), "REQUESTS OF OTHER NODES"). Takes none that comes from elsewhere than from the node
// it names. Runs on the thread of its io_context, which it never blocks.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "plugin/ring/config.hpp"
#include "plugin/ring/copy_message.hpp"

namespace diskhb::daemon {

class copy_network {
  public:
    using listener = std::function<void(const copy_message&)>;
    // `config` outlives it.
    copy_network(boost::asio::io_context& loop, const daemon_config& config, listener on_message);

    // Begins to take messages, unless request_port is 0. Empty, or why it cannot.
    std::string open();
    // May be lost; dropped if the node's address is not known, or open() failed.
    void send(std::uint32_t to, const std::string& text);

  private:
    void receive();
    bool is_from_its_node(const copy_message& message) const;

    const daemon_config& config_;
    listener on_message_;
    boost::asio::ip::udp::socket socket_;
    boost::asio::ip::udp::endpoint sender_;
    std::array<std::byte, copy_message_bytes_max + 1> received_{};
};

}  // namespace diskhb::daemon
