// SPDX-License-Identifier: BSD-3-Clause
#include "tools/cluster_session.hpp"

#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "tools/configured_rings.hpp"

namespace diskhb::tools {

namespace {

std::vector<unsigned> ring_links_of(const std::string& config) {
    auto links = links_of(configured_rings(config));
    if (links.empty()) {
        throw setup_error(exit_config, fmt::format("{}: there is no [[ring]]", config));
    }
    return links;
}

}  // namespace

cluster_session::cluster_session(const options& how, handlers call)
    : options_(how),
      handlers_(std::move(call)),
      ring_links_(ring_links_of(how.config)),
      machine_(ring_links_),
      signals_(loop_, SIGTERM, SIGINT),
      ticks_(loop_) {
    if (how.in_group) {
        const auto root = daemon::parse_toml(daemon::read_text(how.config), how.config);
        conf_ = daemon::read_cluster(root, how.config, daemon::real_host());
        name_ = daemon::local_node(*conf_, daemon::real_host()).name;
        for (const auto& node : conf_->nodes) {
            names_[node.node_id] = node.name;
        }
        make_agent();
    }
}

cluster_session::~cluster_session() = default;

void cluster_session::make_agent() {
    group_agent::options agent;
    agent.ring_links = ring_links_;
    agent.conf = *conf_;
    agent.socket = options_.socket;
    agent.name = name_;
    agent.serves = options_.serves;
    agent.may_cut = options_.may_cut;
    agent.send = [this](std::vector<std::byte> message) {
        return client_ && client_->send(std::move(message));
    };
    agent.state = &machine_.state();
    agent_.emplace(loop_, std::move(agent), handlers_.group);
}

void cluster_session::run() {
    corosync::corosync_client::options how;
    how.poll_interval = options_.poll_interval;
    how.group = options_.in_group ? watch::group_name : "";
    corosync::corosync_client::handlers call;
    call.on_input = [this](const auto& input) { take(input); };
    call.on_nodes = [this](const auto& nodes) {
        names_.clear();
        for (const auto& node : nodes) {
            names_[node.node_id] = node.name;
        }
    };
    if (agent_) {
        call.on_group = [this](const auto& members) { agent_->on_group(members); };
        call.on_message = [this](const auto& from, auto message, auto delivered) {
            agent_->on_message(from, message, delivered);
        };
    }
    client_.emplace(loop_, how, std::move(call));
    wait_for_signal();
    tick();
    loop_.run();
    if (refused_) {
        throw setup_error(exit_permission, fmt::format("Corosync: {}", refused_.message()));
    }
}

void cluster_session::wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
        if (error) {
            return;
        }
        if (handlers_.on_signal) {
            handlers_.on_signal();
            wait_for_signal();
        } else {
            stop();
        }
    });
}

void cluster_session::tick() {
    take(corosync::tick{});
    if (handlers_.on_tick) {
        handlers_.on_tick();
    }
    ticks_.expires_after(tick_interval);
    ticks_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            tick();
        }
    });
}

void cluster_session::take(const corosync::interconnect_input& input) {
    if (const auto* const gone = std::get_if<corosync::corosync_gone>(&input)) {
        if (gone->why == corosync::to_error(CS_ERR_ACCESS) ||
            gone->why == corosync::to_error(CS_ERR_SECURITY)) {
            refused_ = gone->why;
            stop();
            return;
        }
        links_.reset();
        if (agent_) {
            // Who has lost Corosync is in no group.
            agent_->on_group({});
        }
    } else if (const auto* const report = std::get_if<corosync::link_report>(&input)) {
        links_ = *report;
        if (agent_) {
            agent_->on_links(*report);
        }
    }
    const auto events = machine_.step(input, std::chrono::steady_clock::now());
    if (handlers_.on_event) {
        for (const auto& event : events) {
            handlers_.on_event(event);
        }
    }
    if (agent_) {
        agent_->on_events(events);
    }
}

}  // namespace diskhb::tools
