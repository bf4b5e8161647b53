// SPDX-License-Identifier: BSD-3-Clause
// All that a program watches of a running Corosync: links, quorum, membership and, if it likes, the
// messages of a process group. No call into Corosync's libraries has a timeout, so they are made on
// a thread of their own, and what comes of them is posted to the caller's loop: that never waits.
//
// knet tells nobody when a link goes up or down (Corosync's map of statistics compares values every
// 1.5 s, exec/main.c of 3.1.7), so links are asked for every poll_interval; quorum, membership and
// messages come by themselves. After a loss of Corosync it connects again by itself.
//
// Made, used and ended on the thread of the loop; handlers run there.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugin/corosync/cmap.hpp"
#include "plugin/corosync/cpg.hpp"
#include "plugin/corosync/interconnect.hpp"

namespace diskhb::corosync {

class corosync_client {
  public:
    static constexpr std::size_t unsent_max = 4096;

    struct options {
        std::chrono::milliseconds poll_interval{100};
        std::string group;  // to be a member of; empty: of none
    };
    // Those that are not set are not called.
    struct handlers {
        std::function<void(const interconnect_input&)> on_input;
        std::function<void(const std::vector<listed_node>&)> on_nodes;  // the nodelist in force
        std::function<void(const std::vector<group_member>&)> on_group;
        // delivered: when Corosync's library handed it over.
        std::function<void(const group_member& from, std::span<const std::byte> message,
                           steady_time delivered)>
            on_message;
    };

    corosync_client(boost::asio::io_context& loop, const options& how, handlers call);
    // Waits a second at most; a thread that Corosync holds for longer is left behind.
    ~corosync_client();
    corosync_client(const corosync_client&) = delete;
    corosync_client& operator=(const corosync_client&) = delete;

    // To all members of the group, in the order of the calls, as soon as Corosync takes it. False,
    // and nothing is sent: unsent_max wait already. What waits when Corosync goes is dropped.
    bool send(std::vector<std::byte> message);

  private:
    class worker;
    std::shared_ptr<worker> worker_;
};

}  // namespace diskhb::corosync
