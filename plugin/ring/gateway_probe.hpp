// SPDX-License-Identifier: BSD-3-Clause
// Asks an address whether it answers, by ICMP echo out of one interface whatever the routes say:
// so that a gateway is asked over the network while its prefixes go over the ring. Facts: icmp(7),
// socket(7) SO_BINDTODEVICE, ip(7) and ipv6(7) of Linux's IP_UNICAST_IF and IPV6_UNICAST_IF, RFC
// 792, RFC 4443. The main loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "plugin/corosync/ip_address.hpp"

namespace diskhb::daemon {

class gateway_probe {
  public:
    // is_beyond: the target is not the gateway itself. Then its answer may come by any interface: a
    // gateway that carries the route leads what is for us into the ring meanwhile. Throws
    // setup_error: exit_permission without CAP_NET_RAW where net.ipv4.ping_group_range does not
    // allow it either.
    gateway_probe(boost::asio::io_context& loop, const corosync::ip_address& target,
                  bool is_beyond);

    // Sends the next question, out of `interface` (empty: none is known, which is no answer), and
    // returns whether the one before has been answered; nothing the first time.
    std::optional<bool> ask(const std::string& interface);
    // Why the last question could not be sent; empty if it was.
    const std::string& error() const noexcept { return error_; }

  private:
    void wait_for_answer();
    void read_answers();
    bool send(const std::string& interface);
    bool choose(const std::string& interface, unsigned index);

    const corosync::ip_address target_;
    const bool is_beyond_;
    const bool is_v4_;
    bool is_raw_ = false;  // with IPv4, answers come with their IP header then
    boost::asio::posix::stream_descriptor socket_;
    unsigned chosen_index_ = 0;  // of the interface; 0: none yet
    std::uint64_t nonce_ = 0;    // of the question that is out
    bool asked_ = false;
    bool answered_ = false;
    std::string error_;
};

}  // namespace diskhb::daemon
