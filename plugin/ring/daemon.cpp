// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/daemon.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <thread>
#include <utility>

#include "plugin/daemon/control_reply.hpp"
#include "plugin/daemon/main_loop.hpp"
#include "plugin/daemon/process.hpp"

namespace diskhb::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds change_interval{100};
constexpr std::chrono::milliseconds interface_interval{2000};
constexpr std::chrono::milliseconds stop_patience{1000};  // for a volume that hangs
constexpr std::chrono::milliseconds stop_at_most{1900};   // for everything
constexpr std::size_t ping_thread_count = 2;

}  // namespace

ring_daemon::ring_daemon(const daemon_config& config, std::string config_path, spdlog::logger& log)
    : config_(config),
      config_path_(std::move(config_path)),
      log_(log),
      started_(std::chrono::steady_clock::now()),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP),
      change_timer_(loop_),
      interface_timer_(loop_),
      watchdog_timer_(loop_),
      ping_threads_(ping_thread_count) {
    // First the socket: it is what tells that another diskhbd is at work here.
    control_ = std::make_unique<control_server>(
        loop_, "diskhbd", config_.control_socket,
        [this](const std::string& line, const control_server::answer_function& answer) {
            handle_request(line, answer);
        });
    remove_stale_routes(config_, kernel_);
    remove_all_carried(kernel_);
    for (const auto& ring : config_.rings) {
        rings_.push_back(std::make_unique<running_ring>(
            ring, config_, kernel_,
            [this](std::uint32_t from, std::span<const std::byte> bytes) {
                copies_->on_ring_datagram(from, bytes);
                routes_->on_ring_datagram(from, bytes);
            },
            log_));
    }
    copies_ = std::make_unique<copy_service>(loop_, config_, ring_accesses(), log_);
    routes_ = std::make_unique<route_service>(loop_, config_, rings_, kernel_, log_);
}

ring_daemon::~ring_daemon() {
    // Their threads call into copies_ and routes_.
    rings_.clear();
}

std::vector<ring_access> ring_daemon::ring_accesses() {
    std::vector<ring_access> all;
    for (const auto& ring : rings_) {
        ring_access access;
        access.config = &ring->config();
        access.statistics = [engine = &ring->engine()] { return engine->statistics(); };
        access.send = [engine = &ring->engine()](std::uint32_t to,
                                                 std::span<const std::byte> bytes) {
            (void)engine->submit(to, packet_type::control, bytes);
        };
        all.push_back(std::move(access));
    }
    return all;
}

void ring_daemon::run() {
    for (auto& ring : rings_) {
        ring->start();
        const auto& config = ring->config();
        log_.info("ring {}: link {} at {}, {} peers, volume {}", config.interface, config.link,
                  corosync::to_string(config.address), config.peers.size(), config.volume);
    }
    copies_->start();
    routes_->start();
    handle_signals(
        signals_, log_, [this] { explain_hangup(); }, [this] { loop_.stop(); });
    repeat(change_timer_, change_interval, [this] { log_changes(); });
    repeat(interface_timer_, interface_interval, [this] { check_interfaces(); });
    feed_watchdog(watchdog_timer_);
    status_text_ = status_text();
    notify_ready(status_text_);
    loop_.run();
    stop();
}

// Nothing is changed in a running ring: a restart loses some packets, which Corosync repairs, and
// the interface stays.
void ring_daemon::explain_hangup() {
    try {
        const auto fresh = read_config(config_path_, real_host());
        if (describe(fresh) == describe(config_)) {
            log_.info("{} and {}: nothing has changed", config_path_, config_.corosync_conf_path);
        } else {
            log_.warn(
                "{} or {} has changed; a restart of diskhbd brings it into force, Corosync "
                "may go on running",
                config_path_, config_.corosync_conf_path);
        }
    } catch (const setup_error& error) {
        log_.error("diskhbd goes on, but would not start again: {}", error.what());
    }
}

void ring_daemon::log_changes() {
    for (auto& ring : rings_) {
        (void)ring->log_changes();
    }
    auto text = status_text();
    if (text != status_text_) {
        status_text_ = std::move(text);
        notify_status(status_text_);
    }
}

std::string ring_daemon::status_text() const {
    std::vector<std::string> parts;
    for (const auto& ring : rings_) {
        parts.push_back(summary(ring->config(), ring->snapshot().engine));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

void ring_daemon::check_interfaces() {
    for (auto& ring : rings_) {
        ring->check_interface();
    }
}

std::vector<ring_snapshot> ring_daemon::snapshots() const {
    std::vector<ring_snapshot> all;
    for (const auto& ring : rings_) {
        all.push_back(ring->snapshot());
        all.back().copy = copies_->report(ring->config());
    }
    return all;
}

void ring_daemon::handle_request(const std::string& line,
                                 const control_server::answer_function& answer) {
    const auto request = parse_request(line);
    switch (request.verb) {
        case request_verb::status:
            answer(status_reply(config_, snapshots(), routes_->report(),
                                std::chrono::duration_cast<std::chrono::seconds>(
                                    std::chrono::steady_clock::now() - started_)));
            return;
        case request_verb::version:
            answer(version_reply());
            return;
        case request_verb::ping:
            handle_ping(request, answer);
            return;
        case request_verb::copy:
            copies_->handle(request, answer);
            return;
        case request_verb::invalid:
            break;
    }
    answer(error_reply(request.error, exit_usage));
}

void ring_daemon::handle_ping(const control_request& request,
                              const control_server::answer_function& answer) {
    const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) {
        return ring->config().interface == request.ring ||
               (request.ring.empty() && rings_.size() == 1);
    });
    if (found == rings_.end()) {
        answer(error_reply(request.ring.empty() ? "there are several rings: say which"
                                                : fmt::format("no ring {}", request.ring),
                           exit_usage));
        return;
    }
    const auto& peers = (*found)->config().peers;
    if (std::none_of(peers.begin(), peers.end(),
                     [&](const ring_peer& peer) { return peer.node_id == request.node_id; })) {
        answer(ping_error_reply(errc::no_such_node, request.node_id, request.timeout));
        return;
    }
    asio::post(ping_threads_, [ring = found->get(), request, answer] {
        const auto round_trip = ring->engine().echo(request.node_id, request.timeout);
        answer(round_trip ? ping_reply(*round_trip)
                          : ping_error_reply(round_trip.error(), request.node_id, request.timeout));
    });
}

void ring_daemon::stop() {
    end_at_the_latest(stop_at_most);
    notify_stopping();
    routes_->stop();
    // Side by side: several volumes may hang at once.
    std::vector<std::thread> stoppers;
    for (auto& ring : rings_) {
        stoppers.emplace_back([&ring] { ring->stop(stop_patience); });
    }
    for (auto& stopper : stoppers) {
        stopper.join();
    }
    control_.reset();
    ping_threads_.stop();
    ping_threads_.join();
    log_.info("stopped; the interfaces stay");
}

}  // namespace diskhb::daemon
