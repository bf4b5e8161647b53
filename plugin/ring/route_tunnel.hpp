// SPDX-License-Identifier: BSD-3-Clause
// The way of routed packets between the host and the ring: a TUN of its own, beside the ring's, so
// that no flood of them fills the queue that Corosync's packets wait in, and a reader that gives
// way to other threads. The interface is not persistent: however the daemon ends, it goes, and the
// routes through it with it. Outbound on the reader's thread; deliver() on the engine's receiver
// thread; the rest on the main thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "plugin/ring/config.hpp"
#include "plugin/ring/netlink.hpp"
#include "plugin/ring/route_table.hpp"
#include "plugin/ring/route_window.hpp"
#include "plugin/ring/tun_reader.hpp"
#include "plugin/ring/tunnel.hpp"

namespace diskhb::daemon {

// The enumerator, which is the name in `diskhb status --json`, and what it counts.
#define DISKHB_ROUTE_COUNTERS(X)                                                                 \
    X(packets_read, "packets that the host sent into the interface of the routes")               \
    X(bytes_read, "their bytes")                                                                 \
    X(packets_sent, "of these, taken by the ring")                                               \
    X(dropped_malformed, "dropped: no IP packet, or of another length than it says")             \
    X(dropped_local_address, "dropped: a group's, loopback, link-local or zero address")         \
    X(dropped_cluster_address, "dropped: from an address of Corosync to another")                \
    X(dropped_not_configured, "dropped: no route has that source and destination")               \
    X(dropped_no_carrier, "dropped: the route went by its gateway again")                        \
    X(dropped_unread, "dropped: the carrier, or the user, has too much before it unread")        \
    X(dropped_by_engine, "dropped by the ring engine: share full, volume not there, ...")        \
    X(read_errors, "reads that the interface failed")                                            \
    X(packets_written, "packets of other nodes handed to the host")                              \
    X(bytes_written, "their bytes")                                                              \
    X(refused_malformed, "packets of nodes refused: no IP packet, or of another length")         \
    X(refused_local_address, "packets refused: a group's, loopback, link-local or zero address") \
    X(refused_cluster_address, "packets refused: from an address of Corosync to another")        \
    X(refused_not_configured, "packets refused: no route allows that node these addresses")      \
    X(write_errors, "packets that the interface did not take")

enum class route_counter : std::size_t {
#define DISKHB_ROUTE_COUNTER_VALUE(name, help) name,
    DISKHB_ROUTE_COUNTERS(DISKHB_ROUTE_COUNTER_VALUE)
#undef DISKHB_ROUTE_COUNTER_VALUE
        count_
};
inline constexpr std::size_t route_counter_count = static_cast<std::size_t>(route_counter::count_);
const char* route_counter_name(route_counter which) noexcept;

using route_statistics = std::array<std::uint64_t, route_counter_count>;

class route_tunnel {
  public:
    // Creates the interface. `ring`, `table` and `kernel` outlive the tunnel. Throws setup_error.
    route_tunnel(const ring_config& ring, const route_table& table, netlink& kernel);

    // How many packets a node has not read yet.
    using unread_function = std::function<std::uint64_t(std::uint32_t node_id)>;
    // Starts reading. Both functions are called on the reader's thread. Once.
    void start(tunnel::submit_function submit, unread_function unread);
    void stop();
    // Lets go of the TUN, so that it goes though a thread that hangs keeps our descriptors.
    void release() noexcept;

    // Makes the interface again if it has vanished; true if it had to, and its routes are gone.
    // Throws setup_error.
    bool check();
    const std::string& interface() const noexcept { return ring_.route_interface; }
    int interface_index() const noexcept { return index_; }

    // A packet of a node that is not for a ring address: checked, then written to the TUN.
    void deliver(std::uint32_t from, std::span<const std::byte> packet) noexcept;

    route_statistics statistics() const noexcept;  // any thread

  private:
    void set_up();
    void handle(std::span<const std::byte> packet) noexcept;
    void count(route_counter which, std::uint64_t amount = 1) noexcept;

    const ring_config& ring_;
    const route_table& table_;
    netlink& kernel_;
    owned_fd fd_;
    int index_ = 0;
    tunnel::submit_function submit_;
    unread_function unread_;
    route_window window_;  // the reader's
    // Each is written by one thread only, the reader or the receiver, and read by any.
    std::array<std::atomic<std::uint64_t>, route_counter_count> counters_{};
    tun_reader reader_;
};

}  // namespace diskhb::daemon
