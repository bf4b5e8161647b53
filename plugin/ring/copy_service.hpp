// SPDX-License-Identifier: BSD-3-Clause
// Everything of diskhbd that has to do with copies of a ring's writes: the copy commands, what
// diskhb-copyd does, and requests to copy now, of this node and of others. A request to another
// node goes by the ring, where anything still gets through, and by UDP from and to the addresses of
// Corosync's link 0. Main thread, but for on_ring_datagram().
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugin/daemon/control_server.hpp"
#include "plugin/ring/config.hpp"
#include "plugin/ring/control_protocol.hpp"
#include "plugin/ring/copy_command.hpp"
#include "plugin/ring/copy_message.hpp"
#include "plugin/ring/copy_network.hpp"
#include "plugin/ring/copy_report.hpp"
#include "plugin/ring/datagram_inbox.hpp"

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

// What the service asks of a ring.
struct ring_access {
    const ring_config* config = nullptr;
    std::function<diskhb::statistics()> statistics;
    // Over the ring, to one node; may be lost.
    std::function<void(std::uint32_t to, std::span<const std::byte> bytes)> send;
};

class copy_service {
  public:
    copy_service(boost::asio::io_context& loop, const daemon_config& config,
                 std::vector<ring_access> rings, spdlog::logger& log);
    ~copy_service();
    copy_service(const copy_service&) = delete;
    copy_service& operator=(const copy_service&) = delete;

    void start();
    // The verb copy of the control socket.
    void handle(const control_request& request, const control_server::answer_function& answer);
    // A datagram that may be a message: see may_be_copy_message. Any thread; neither waits nor
    // throws, and drops what comes too fast.
    void on_ring_datagram(std::uint32_t from, std::span<const std::byte> bytes) noexcept {
        inbox_.put(from, bytes);
    }
    copy_report report(const ring_config& ring) const;

  private:
    struct copied_ring {
        ring_access access;
        std::unique_ptr<copy_command> command;
        copy_report builtin;
        std::uint64_t requests = 0;
        std::uint64_t peer_requests = 0;
    };
    class errand;
    // Called once; empty: done.
    using done_function = std::function<void(const std::string& error, int exit_code)>;

    void copy_here(const control_request& request, const control_server::answer_function& answer);
    void copy_ring(copied_ring& ring, bool wait, std::chrono::milliseconds timeout,
                   done_function done);
    void wait_for_run(copied_ring& ring, std::uint64_t run,
                      std::chrono::steady_clock::time_point end, done_function done);
    void ask_node(const control_request& request, const control_server::answer_function& answer);
    void send(const copied_ring& ring, const copy_message& message);
    void on_message(const copy_message& message);
    void on_request(const copy_message& message);
    void watch_copyd();
    copied_ring* find_link(std::uint32_t link);

    boost::asio::io_context& loop_;
    const daemon_config& config_;
    spdlog::logger& log_;
    std::vector<copied_ring> rings_;
    copy_request_gate gate_;
    std::map<std::uint64_t, std::weak_ptr<errand>> errands_;  // by token
    boost::asio::steady_timer copyd_timer_;
    copy_network network_;
    datagram_inbox inbox_;
};

}  // namespace diskhb::daemon
