// SPDX-License-Identifier: BSD-3-Clause
// What diskhb-quorumd tells people and systemd of itself.
#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>

#include "plugin/daemon/process.hpp"
#include "plugin/quorum/quorum_daemon.hpp"
#include "plugin/quorum/quorum_log.hpp"

namespace diskhb::quorum {

namespace {

// Pacemaker starts after us, and must not wait for a volume.
constexpr std::uint64_t ready_at_most_ns = 10'000'000'000;

}  // namespace

void quorum_daemon::tell(const lease_actions& actions, std::uint64_t now_ns) {
    for (const lease_event event : actions.events) {
        auto line = describe(event, lease_, now_ns);
        if (is_stopping_ && event == lease_event::vote_withdrawn) {
            line = {false, "vote given back"};
        }
        log_.log(line.is_warning ? spdlog::level::warn : spdlog::level::info, "{}", line.text);
    }
}

void quorum_daemon::watch() {
    const std::uint64_t now_ns = clock_->now_ns();
    for (std::size_t index = 0; index < disks_.size(); ++index) {
        watch_volume(index);
    }
    if (!is_ready_ && now_ns >= started_ns_ + ready_at_most_ns) {
        log_.warn("no vote was accepted yet, the cluster need not wait for it: {}",
                  summary(lease_, now_ns));
        become_ready();
    }
    auto text = summary(lease_, now_ns);
    if (text != status_text_) {
        status_text_ = std::move(text);
        daemon::notify_status(status_text_);
    }
}

// Says once when a volume is lost, hangs, or is back.
void quorum_daemon::watch_volume(std::size_t index) {
    const volume_snapshot shown = disks_[index]->snapshot();
    volume_view& view = views_[index];
    const auto drop_ns =
        static_cast<std::uint64_t>(std::chrono::nanoseconds(config_.times.drop).count());
    const bool hangs = shown.io_pending_ns > drop_ns;
    if (hangs && !view.hangs) {
        log_.warn("{}: has not answered for {} ms", shown.path, shown.io_pending_ns / 1'000'000);
    } else if (!hangs && view.hangs && shown.state == std::string_view("ok")) {
        log_.info("{}: answers again", shown.path);
    }
    view.hangs = hangs;
    if (view.state == shown.state && view.error == shown.error) {
        return;
    }
    if (!shown.error.empty()) {
        log_.warn("volume lost, trying again and again: {}", shown.error);
    } else if (view.state == "lost") {
        log_.info("{}: is back", shown.path);
    } else {
        log_.info("{}: opened", shown.path);
    }
    view.state = shown.state;
    view.error = shown.error;
}

void quorum_daemon::become_ready() {
    if (!is_ready_) {
        is_ready_ = true;
        status_text_ = summary(lease_, clock_->now_ns());
        daemon::notify_ready(status_text_);
    }
}

// Nothing is changed in a running daemon: a restart costs no vote of the others.
void quorum_daemon::explain_hangup() {
    try {
        const auto fresh = read_quorum_config(config_.path, real_quorum_host());
        const auto report = check(fresh);
        if (!report.safe()) {
            log_.error("diskhb-quorumd goes on, but would not start again: {}",
                       report.errors.front());
        } else if (describe(fresh) == describe(config_)) {
            log_.info("{} and {}: nothing has changed", config_.path, config_.corosync_conf_path);
        } else {
            log_.warn("{} or {} has changed; a restart of diskhb-quorumd brings it into force",
                      config_.path, config_.corosync_conf_path);
        }
    } catch (const setup_error& error) {
        log_.error("diskhb-quorumd goes on, but would not start again: {}", error.what());
    }
}

quorum_snapshot quorum_daemon::snapshot() const {
    quorum_snapshot shown;
    shown.now_ns = clock_->now_ns();
    shown.started_ns = started_ns_;
    shown.vote_since_ns = vote_since_ns_;
    shown.incarnation = incarnation_;
    shown.corosync = corosync_;
    const vote_counters& counters = votes_->counters();
    shown.corosync.is_connected = counters.is_connected;
    shown.corosync.is_registered = counters.is_registered;
    shown.corosync.polls = counters.polls_yes + counters.polls_no;
    shown.corosync.polls_refused = counters.polls_refused;
    const std::uint64_t in_call_ns = votes_->in_call_since_ns();
    shown.corosync.in_call_ns =
        in_call_ns == 0 ? 0 : shown.now_ns - std::min(shown.now_ns, in_call_ns);
    for (const auto& disk : disks_) {
        shown.volumes.push_back(disk->snapshot());
    }
    return shown;
}

}  // namespace diskhb::quorum
