// SPDX-License-Identifier: BSD-3-Clause
// How much of what is routed may be on its way to a node: a reader that falls behind a flood would
// read Corosync's packets late too, for all of a writer's packets are read in one order. Pure: time
// and what the node has not read come in. The TUN reader's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace diskhb::daemon {

class route_window {
  public:
    // Packets written for the node and not acknowledged, and how long one look at them is good for:
    // a look costs more than a packet. A node acknowledges with each block that it writes, so at
    // once while TCP answers come back, and with each beat when nothing does.
    static constexpr std::uint64_t unread_most = 512;
    static constexpr std::chrono::microseconds look_interval{1000};

    // Whether another packet may go to the node. `look(node)`: how many packets it has not read.
    template <class Look>
    bool may_send(std::uint32_t node_id, std::chrono::nanoseconds now, Look&& look) {
        if (node_id != node_id_ || now - looked_ >= look_interval) {
            node_id_ = node_id;
            looked_ = now;
            unread_ = std::forward<Look>(look)(node_id);
        }
        return unread_ < unread_most;
    }
    void on_sent() { ++unread_; }

  private:
    std::uint32_t node_id_ = 0;
    std::chrono::nanoseconds looked_{0};
    std::uint64_t unread_ = 0;
};

}  // namespace diskhb::daemon
