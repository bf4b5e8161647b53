// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/running_ring.hpp"

#include <spdlog/logger.h>

#include <utility>

#include "plugin/daemon/message_ids.hpp"
#include "plugin/daemon/process.hpp"
#include "plugin/ring/copy_message.hpp"

namespace diskhb::daemon {

namespace {

address_table addresses_of(const ring_config& config) {
    std::vector<address_table::entry> peers;
    for (const auto& peer : config.peers) {
        peers.push_back({peer.address, peer.node_id});
    }
    return {config.address, std::move(peers)};
}

node_options options_of(const ring_config& config, tunnel& packets,
                        running_ring::message_function on_message) {
    auto options = config.engine;
    options.on_datagram = [&packets, on_message = std::move(on_message)](
                              std::uint32_t from, std::span<const std::byte> payload) {
        if (may_be_copy_message(payload)) {
            on_message(from, payload);
        } else {
            packets.deliver(from, payload);
        }
    };
    return options;
}

spdlog::level::level_enum level_of(log_level level) {
    switch (level) {
        case log_level::info:
            return spdlog::level::info;
        case log_level::warning:
            return spdlog::level::warn;
        case log_level::error:
            break;
    }
    return spdlog::level::err;
}

}  // namespace

running_ring::running_ring(const ring_config& config, const daemon_config& whole, netlink& kernel,
                           message_function on_message, spdlog::logger& log)
    : config_(config),
      log_(log),
      interface_(config, kernel),
      table_(whole.routes, config.interface, whole.node_id, whole.cluster_addresses),
      tunnel_(config.interface, interface_.fd(), addresses_of(config), config.knet),
      engine_(config.volume, options_of(config, tunnel_, std::move(on_message))),
      changes_(config) {
    report_ = interface_.check();
    if (!table_.empty()) {
        routed_ = std::make_unique<route_tunnel>(config, table_, kernel);
        tunnel_.set_foreign([this](std::uint32_t from, std::span<const std::byte> packet) {
            routed_->deliver(from, packet);
            return true;
        });
    }
}

void running_ring::start() {
    if (routed_) {
        routed_->start(
            [this](std::uint32_t to, packet_type type, std::span<const std::byte> payload) {
                return engine_.submit(to, type, payload);
            },
            [this](std::uint32_t node_id) { return unread_by(node_id); });
    }
    tunnel_.start([this](std::uint32_t to, packet_type type, std::span<const std::byte> payload) {
        return engine_.submit(to, type, payload);
    });
    engine_.start();
}

std::uint64_t running_ring::unread_by(std::uint32_t node_id) const {
    for (const auto& peer : engine_.statistics().peers) {
        if (peer.node_id == node_id) {
            return peer.unread_by_peer;
        }
    }
    return 0;
}

void running_ring::stop(std::chrono::milliseconds patience) {
    engine_.stop(patience);
    tunnel_.stop();
    interface_.release();
    if (routed_) {
        routed_->stop();
        routed_->release();
    }
}

ring_snapshot running_ring::snapshot() const {
    ring_snapshot now{&config_,    engine_.statistics(), tunnel_.statistics(),
                      report_.up,  report_.qdisc,        {},
                      std::nullopt};
    if (routed_) {
        now.routed = routed_->statistics();
    }
    return now;
}

std::string running_ring::log_changes() {
    const auto now = engine_.statistics();
    const auto clock = std::chrono::steady_clock::now().time_since_epoch();
    for (const auto& line : changes_.observe(now, clock)) {
        log_event(log_, level_of(line.level), line.text, line.message_id);
    }
    return summary(config_, now);
}

void running_ring::check_interface() {
    const bool was_up = report_.up;
    report_ = interface_.check();
    if (report_.errors.empty() && report_.up && !was_up) {
        log_event(log_, spdlog::level::info, "interface " + config_.interface + " is up again",
                  message_id::interface_up);
    } else if (report_.errors.empty() && !report_.up && was_up) {
        log_event(
            log_, spdlog::level::warn,
            "interface " + config_.interface +
                " was set down by somebody: the ring carries nothing until it is set up again",
            message_id::interface_down);
    }
    for (const auto& repair : report_.repairs) {
        log_.warn("{}; repaired", repair);
    }
    std::set<std::string> errors;
    for (const auto& error : report_.errors) {
        if (known_errors_.find(error) == known_errors_.end()) {
            log_.error("{}", error);
        }
        errors.insert(error);
    }
    known_errors_ = std::move(errors);
}

}  // namespace diskhb::daemon
