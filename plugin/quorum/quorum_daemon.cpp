// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_daemon.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

#include "plugin/daemon/control_reply.hpp"
#include "plugin/daemon/main_loop.hpp"
#include "plugin/daemon/process.hpp"

namespace diskhb::quorum {

using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds watch_interval{500};
// For saying good-bye on the volumes; then it is left to the others to find out.
constexpr std::chrono::milliseconds stop_patience{3000};
constexpr std::chrono::milliseconds stop_at_most{8000};  // for everything

lease_options options_of(const quorum_config& config, std::uint64_t incarnation) {
    lease_options options;
    options.slot = static_cast<slot_index>(config.node_id - 1);
    // All that a volume can have, whether the volumes are there now or not.
    options.slots = format::slots_max;
    options.volumes = static_cast<unsigned>(config.volumes.size());
    options.incarnation = incarnation;
    options.times = config.times;
    options.ties = config.ties;
    options.score = config.score;
    return options;
}

}  // namespace

quorum_daemon::quorum_daemon(const quorum_config& config, spdlog::logger& log)
    : config_(config),
      log_(log),
      clock_(std::make_shared<engine::system_clock>()),
      incarnation_(engine::random_incarnation()),
      started_ns_(clock_->now_ns()),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP),
      wake_timer_(loop_),
      watch_timer_(loop_),
      watchdog_timer_(loop_),
      stop_timer_(loop_),
      lease_(options_of(config, incarnation_)),
      heuristics_(loop_, config.heuristics,
                  [this](bool passed, const std::string& why) { handle_heuristics(passed, why); }),
      corosync_process_(loop_),
      vote_since_ns_(started_ns_),
      views_(config.volumes.size()) {
    // First the socket: it is what tells that another diskhb-quorumd is at work here.
    control_ = std::make_unique<daemon::control_server>(
        loop_, "diskhb-quorumd", config_.control_socket,
        [this](const std::string& line, const daemon::control_server::answer_function& answer) {
            handle_request(line, answer);
        });
    open_volumes();
    votes_ = make_vote_thread();
}

quorum_daemon::~quorum_daemon() = default;

int quorum_daemon::run() {
    daemon::handle_signals(
        signals_, log_, [this] { explain_hangup(); }, [this] { begin_stop(exit_ok); });
    daemon::repeat(watch_timer_, watch_interval, [this] { watch(); });
    daemon::feed_watchdog(watchdog_timer_);
    heuristics_.start();
    step(time_has_passed{});
    loop_.run();
    return exit_code_;
}

void quorum_daemon::step(const lease_input& input) {
    const std::uint64_t now_ns = clock_->now_ns();
    carry_out(lease_.step(input, now_ns), now_ns);
}

void quorum_daemon::carry_out(const lease_actions& actions, std::uint64_t now_ns) {
    // The vote first: it has the least time.
    if (const vote_order& order = lease_.vote(); order != last_order_) {
        if (order.vote != last_order_.vote) {
            vote_since_ns_ = now_ns;
        }
        last_order_ = order;
        if (is_registered_) {
            votes_->follow(order);
        }
    }
    // Not before our slot is known to be ours: a second daemon of this node must not touch the
    // first one's device.
    const auto& events = actions.events;
    if (!is_registered_ &&
        std::find(events.begin(), events.end(), lease_event::joined_table) != events.end()) {
        is_registered_ = true;
        votes_->start();
        votes_->follow(last_order_);
    }
    for (const unsigned volume : actions.writes) {
        disks_[volume]->write(lease_.block());
    }
    for (const unsigned volume : actions.reads) {
        disks_[volume]->read();
    }
    tell(actions, now_ns);
    arm(actions.wake_ns, now_ns);
    if (actions.slot_is_taken) {
        log_.error(
            "another daemon writes to the slot of node id {}: a second host with this node id, or "
            "with this volume under another name; only one may go on",
            config_.node_id);
        exit_code_ = exit_in_use;
        end("stopped");
    } else if (actions.has_stopped) {
        end("stopped: the grant and the vote are given back");
    }
}

void quorum_daemon::arm(std::uint64_t wake_ns, std::uint64_t now_ns) {
    wake_timer_.expires_after(std::chrono::nanoseconds(wake_ns - std::min(wake_ns, now_ns)));
    wake_timer_.async_wait([this](const error_code& error) {
        if (!error) {
            step(time_has_passed{});
        }
    });
}

void quorum_daemon::handle_disk(const disk_result& result) {
    watch_volume(result.index);
    const auto volume = static_cast<unsigned>(result.index);
    if (result.was_write) {
        step(volume_was_written{volume, result.succeeded});
    } else {
        step(volume_was_read{volume, result.issued_ns, result.table});
    }
}

void quorum_daemon::handle_heuristics(bool passed, const std::string& why) {
    const auto result =
        passed ? format::heuristics_result::passed : format::heuristics_result::failed;
    if (result != last_result_) {
        if (passed) {
            log_.info("heuristics passed: the score is {}", config_.score + 1);
        } else {
            log_.warn("heuristics failed: {}; the score is {}", why, config_.score);
        }
        last_result_ = result;
    }
    step(score_has_changed{config_.score + (passed ? 1 : 0), result});
}

void quorum_daemon::handle_request(const std::string& line,
                                   const daemon::control_server::answer_function& answer) {
    const auto request = parse_quorum_request(line);
    switch (request.verb) {
        case quorum_verb::status:
            answer(quorum_status_reply(config_, lease_, snapshot()));
            return;
        case quorum_verb::version:
            answer(daemon::version_reply());
            return;
        case quorum_verb::invalid:
            break;
    }
    answer(daemon::error_reply(request.error, exit_usage));
}

void quorum_daemon::begin_stop(int exit_code) {
    if (is_stopping_) {
        return;
    }
    is_stopping_ = true;
    exit_code_ = exit_code;
    daemon::end_at_the_latest(stop_at_most, exit_code);
    daemon::notify_stopping();
    stop_timer_.expires_after(stop_patience);
    stop_timer_.async_wait([this](const error_code& error) {
        if (!error) {
            end("stopped, without a good-bye on the volumes: they did not answer in time");
        }
    });
    step(stop_was_asked{});
}

void quorum_daemon::end(const char* how) {
    if (loop_.stopped()) {
        return;
    }
    if (!is_stopping_) {
        is_stopping_ = true;
        daemon::end_at_the_latest(stop_at_most, exit_code_);
        daemon::notify_stopping();
    }
    const bool has_left = !is_registered_ || votes_->stop();
    disks_.clear();
    control_.reset();
    log_.info("{}", how);
    if (!has_left) {
        log_.warn("Corosync does not answer: it forgets this device after {} ms",
                  config_.times.device_timeout.count());
    }
    loop_.stop();
}

}  // namespace diskhb::quorum
