// SPDX-License-Identifier: BSD-3-Clause
// This node's part in the process group "diskhb": it tells the others what it sees when they ask,
// and takes part in their fire drills. Runs on the thread of its io_context; waits for nobody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_client.hpp"
#include "plugin/watch/drill_participant.hpp"
#include "plugin/watch/group_message.hpp"
#include "plugin/watch/network_cut.hpp"

namespace diskhb::tools {

class group_agent {
  public:
    struct options {
        std::vector<unsigned> ring_links;
        corosync::corosync_conf conf;
        std::string socket;    // of diskhbd
        std::string name;      // of this node
        bool serves = false;   // stays; others may count on it
        bool may_cut = false;  // takes its network away when a drill says so
        std::function<bool(std::vector<std::byte>)> send;     // to the group
        const corosync::interconnect_state* state = nullptr;  // outlives the agent
    };
    // Those that are not set are not called.
    struct handlers {
        std::function<void(const corosync::group_member&, const watch::view&)> on_view;
        std::function<void(const corosync::group_member&, const watch::drill_report&)> on_report;
        // One line, of what the agent does to this node.
        std::function<void(const std::string&)> on_deed;
    };

    group_agent(boost::asio::io_context& loop, options how, handlers call);
    ~group_agent();  // gives the network back
    group_agent(const group_agent&) = delete;
    group_agent& operator=(const group_agent&) = delete;

    // What comes of Corosync, in order.
    void on_links(const corosync::link_report& report) { links_ = report; }
    void on_events(std::span<const corosync::interconnect_event> events);
    void on_group(const std::vector<corosync::group_member>& members);
    void on_message(const corosync::group_member& from, std::span<const std::byte> bytes,
                    corosync::steady_time delivered);

    // Does what a drill wants done.
    void run(const watch::drill_actions& actions);
    const std::vector<corosync::group_member>& members() const noexcept { return members_; }
    // Of the drill that goes on, or went on last: see drill_participant::problem.
    const std::string& problem() const noexcept { return participant_.problem(); }

  private:
    void answer(std::uint64_t token);
    void measure_and_send(std::shared_ptr<watch::view> seen);
    watch::view make_view(std::uint64_t token, const std::string& reply,
                          const std::string& problem) const;
    void cut(std::chrono::milliseconds hold);
    void give_back();
    void keep_ticking();

    boost::asio::io_context& loop_;
    options options_;
    handlers handlers_;
    watch::drill_participant participant_;
    boost::asio::steady_timer ticks_;
    bool is_ticking_ = false;
    corosync::link_report links_;
    std::vector<corosync::group_member> members_;
    std::optional<watch::network_cut> cut_;
    std::shared_ptr<int> life_;  // for answers that come later
};

}  // namespace diskhb::tools
