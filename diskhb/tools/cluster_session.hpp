// SPDX-License-Identifier: BSD-3-Clause
// What watch, drill and status --cluster have in common: a loop, a Corosync that is watched on it,
// what follows from that, and, if asked for, a place in the process group. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/control_client.hpp"
#include "plugin/corosync/corosync_client.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "plugin/watch/event_text.hpp"
#include "tools/group_agent.hpp"

namespace diskhb::tools {

class cluster_session {
  public:
    struct options {
        std::string config = daemon::config_path_default;
        std::string socket = control_socket_default;
        std::chrono::milliseconds poll_interval{100};
        bool in_group = false;
        bool serves = false;  // group_agent::options
        bool may_cut = false;
    };
    // Those that are not set are not called.
    struct handlers {
        std::function<void(const corosync::interconnect_event&)> on_event;  // state() is after it
        std::function<void()> on_tick;                                      // every tick_interval
        std::function<void()> on_signal;  // SIGTERM or SIGINT; not set: the loop ends
        group_agent::handlers group;
    };
    static constexpr std::chrono::milliseconds tick_interval{250};

    // Throws setup_error for files that are wrong, and if there is no ring.
    cluster_session(const options& how, handlers call);
    ~cluster_session();
    cluster_session(const cluster_session&) = delete;
    cluster_session& operator=(const cluster_session&) = delete;

    // Until stop(). Throws setup_error(exit_permission) if Corosync does not let us in.
    void run();
    void stop() { loop_.stop(); }

    boost::asio::io_context& loop() noexcept { return loop_; }
    const corosync::interconnect_state& state() const noexcept { return machine_.state(); }
    bool has_started() const noexcept { return machine_.has_started(); }
    // By corosync.conf, and then by the nodelist in force.
    const watch::node_names& names() const noexcept { return names_; }
    const std::vector<unsigned>& ring_links() const noexcept { return ring_links_; }
    // In the group only.
    const corosync::corosync_conf& conf() const noexcept { return *conf_; }
    const std::optional<corosync::link_report>& links() const noexcept { return links_; }
    group_agent& agent() noexcept { return *agent_; }

  private:
    void take(const corosync::interconnect_input& input);
    void make_agent();
    void tick();
    void wait_for_signal();

    options options_;
    handlers handlers_;
    std::vector<unsigned> ring_links_;
    std::optional<corosync::corosync_conf> conf_;
    std::string name_;
    boost::asio::io_context loop_;
    corosync::interconnect machine_;
    watch::node_names names_;
    std::optional<corosync::link_report> links_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer ticks_;
    boost::system::error_code refused_;
    std::optional<group_agent> agent_;
    std::optional<corosync::corosync_client> client_;
};

}  // namespace diskhb::tools
