// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/replication/copy_daemon.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "engine/engine_thread.hpp"
#include "plugin/daemon/control_reply.hpp"
#include "plugin/daemon/main_loop.hpp"
#include "plugin/daemon/process.hpp"

namespace diskhb::daemon {

using boost::system::error_code;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds change_interval{200};
constexpr std::chrono::milliseconds settle_interval{2};
constexpr std::chrono::milliseconds stop_patience{1000};
constexpr std::chrono::milliseconds stop_at_most{1900};

replication::copy_job_options options_of(const daemon_config& config, const ring_config& ring) {
    replication::copy_job_options options;
    options.source = ring.roles.send_volume;
    options.target = ring.roles.copy.target;
    options.cluster_name = config.cluster_name;
    options.node_id = config.node_id;
    options.rate_bytes_per_s = ring.roles.copy.rate_bytes_per_s;
    options.backend = engine::backend_of(ring.engine.backend);
    return options;
}

}  // namespace

// A request that waits until its copies are on the targets; keeps itself alive by its timer.
class copy_daemon::waiting_request : public std::enable_shared_from_this<waiting_request> {
  public:
    waiting_request(boost::asio::io_context& loop, std::chrono::milliseconds timeout,
                    control_server::answer_function answer)
        : timer_(loop), timeout_(timeout), answer_(std::move(answer)) {}

    void add(const copied_ring& ring, std::uint64_t ticket) { waits_.emplace_back(&ring, ticket); }

    void look() {
        std::erase_if(waits_,
                      [](const auto& each) { return each.first->job->is_settled(each.second); });
        const auto took = steady_clock::now() - begun_;
        if (waits_.empty()) {
            answer_(copy_done_reply(true, took));
            return;
        }
        if (took >= timeout_) {
            const auto& [ring, ticket] = waits_.front();
            const auto status = ring->job->status();
            answer_(error_reply(
                fmt::format("ring {}: not copied within {} ms: {}{}{}", ring->config->interface,
                            timeout_.count(), copy_job_state_name(status.state),
                            status.error.empty() ? "" : ": ", status.error),
                exit_failed));
            return;
        }
        timer_.expires_after(settle_interval);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->look();
            }
        });
    }

  private:
    boost::asio::steady_timer timer_;
    std::chrono::milliseconds timeout_;
    control_server::answer_function answer_;
    std::vector<std::pair<const copied_ring*, std::uint64_t>> waits_;
    const steady_clock::time_point begun_ = steady_clock::now();
};

void refuse_nothing_to_copy(const daemon_config& config) {
    if (std::none_of(config.rings.begin(), config.rings.end(), [](const ring_config& ring) {
            return ring.roles.copy.mode == copy_mode::builtin;
        })) {
        throw setup_error(exit_config,
                          "no ring has copy = \"builtin\" in diskhb.toml: nothing to do");
    }
}

copy_daemon::copy_daemon(const daemon_config& config, spdlog::logger& log)
    : config_(config),
      log_(log),
      started_(steady_clock::now()),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP),
      change_timer_(loop_),
      watchdog_timer_(loop_) {
    refuse_nothing_to_copy(config_);
    for (const auto& ring : config_.rings) {
        if (ring.roles.copy.mode == copy_mode::builtin) {
            rings_.push_back(
                {&ring, std::make_unique<replication::copy_job>(options_of(config_, ring)), {}});
        }
    }
    control_ = std::make_unique<control_server>(
        loop_, "diskhb-copyd", config_.copy_socket,
        [this](const std::string& line, const control_server::answer_function& answer) {
            handle_request(line, answer);
        });
}

copy_daemon::~copy_daemon() = default;

void copy_daemon::run() {
    for (auto& ring : rings_) {
        ring.job->start();
        log_.info("ring {}: copying the slot of node {} from {} to {}", ring.config->interface,
                  config_.node_id, ring.config->roles.send_volume, ring.config->roles.copy.target);
    }
    handle_signals(
        signals_, log_,
        [this] {
            log_.info("SIGHUP changes nothing: a restart brings a new configuration into force");
        },
        [this] { loop_.stop(); });
    repeat(change_timer_, change_interval, [this] { log_changes(); });
    feed_watchdog(watchdog_timer_);
    status_text_ = status_text();
    notify_ready(status_text_);
    loop_.run();
    stop();
}

void copy_daemon::log_changes() {
    const auto all = snapshots();
    for (std::size_t index = 0; index < rings_.size(); ++index) {
        auto text = copy_change_text(all[index]);
        if (text == rings_[index].last_told) {
            continue;
        }
        if (all[index].job.error.empty()) {
            log_.info("{}", text);
        } else {
            log_.warn("{}", text);
        }
        rings_[index].last_told = std::move(text);
    }
    auto text = status_text();
    if (text != status_text_) {
        status_text_ = std::move(text);
        notify_status(status_text_);
    }
}

std::vector<copy_snapshot> copy_daemon::snapshots() const {
    std::vector<copy_snapshot> all;
    for (const auto& ring : rings_) {
        all.push_back({ring.config, ring.job->status()});
    }
    return all;
}

std::string copy_daemon::status_text() const {
    std::vector<std::string> parts;
    for (const auto& ring : snapshots()) {
        parts.push_back(copy_summary(ring));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

void copy_daemon::handle_request(const std::string& line,
                                 const control_server::answer_function& answer) {
    const auto request = parse_request(line);
    switch (request.verb) {
        case request_verb::status:
            answer(copy_status_reply(
                config_, snapshots(),
                std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - started_)));
            return;
        case request_verb::version:
            answer(version_reply());
            return;
        case request_verb::copy:
            handle_copy(request, answer);
            return;
        case request_verb::ping:
        case request_verb::invalid:
            break;
    }
    answer(error_reply(
        request.error.empty() ? "diskhb-copyd knows status, copy and version" : request.error,
        exit_usage));
}

void copy_daemon::handle_copy(const control_request& request,
                              const control_server::answer_function& answer) {
    if (request.node_id != 0) {
        answer(error_reply("another node is asked by diskhbd, not by diskhb-copyd", exit_usage));
        return;
    }
    const auto waiting = std::make_shared<waiting_request>(loop_, request.timeout, answer);
    bool is_any = false;
    for (auto& ring : rings_) {
        if (!request.ring.empty() && ring.config->interface != request.ring) {
            continue;
        }
        is_any = true;
        const std::uint64_t ticket = ring.job->request_copy();
        if (ticket == 0) {
            const auto status = ring.job->status();
            answer(error_reply(fmt::format("ring {}: {}{}{}", ring.config->interface,
                                           copy_job_state_name(status.state),
                                           status.error.empty() ? "" : ": ", status.error),
                               exit_volume));
            return;
        }
        waiting->add(ring, ticket);
    }
    if (!is_any) {
        answer(error_reply(fmt::format("diskhb-copyd does not copy ring {}", request.ring),
                           exit_usage));
    } else if (request.wait) {
        waiting->look();
    } else {
        answer(copy_done_reply(false, {}));
    }
}

void copy_daemon::stop() {
    end_at_the_latest(stop_at_most);
    notify_stopping();
    // Side by side: several devices may hang at once.
    std::vector<std::thread> stoppers;
    for (auto& ring : rings_) {
        stoppers.emplace_back([&ring] { ring.job->stop(stop_patience); });
    }
    for (auto& stopper : stoppers) {
        stopper.join();
    }
    control_.reset();
    log_.info("stopped");
}

}  // namespace diskhb::daemon
