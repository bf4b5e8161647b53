// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/change_log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::daemon {

namespace {

// What an administrator should hear of. Not here: frames dropped while the ring has not joined
// (the state says so), and blocks that were torn or never written, which readers meet in normal
// work when they look at a block while it is being written.
constexpr counter worrying[] = {counter::dropped_full,
                                counter::dropped_too_long,
                                counter::dropped_expired_send,
                                counter::dropped_expired_receive,
                                counter::dropped_io_error,
                                counter::dropped_receive_full,
                                counter::lost_lapped,
                                counter::lost_damaged,
                                counter::lost_gap,
                                counter::rejected_bad_magic,
                                counter::rejected_other_version,
                                counter::rejected_foreign,
                                counter::rejected_misplaced,
                                counter::rejected_malformed,
                                counter::read_errors,
                                counter::write_errors};

double to_s(std::chrono::nanoseconds value) { return static_cast<double>(value.count()) / 1e9; }

log_level level_of(ring_state state) {
    switch (state) {
        case ring_state::running:
        case ring_state::watching_slot:
        case ring_state::stopped:
            return log_level::info;
        case ring_state::waiting_for_volume:
            return log_level::warning;
        case ring_state::volume_lost:
        case ring_state::refused:
            break;
    }
    return log_level::error;
}

const char* message_id_of(ring_state state) {
    switch (state) {
        case ring_state::running:
            return message_id::ring_running;
        case ring_state::waiting_for_volume:
            return message_id::ring_waiting;
        case ring_state::volume_lost:
            return message_id::volume_lost;
        case ring_state::refused:
            return message_id::volume_refused;
        case ring_state::watching_slot:
        case ring_state::stopped:
            break;
    }
    return message_id::none;
}

std::string text_of(ring_state state, const ring_config& config, const statistics& now) {
    switch (state) {
        case ring_state::running:
            return fmt::format("running on {} (cluster {}, incarnation {:016x})", config.volume,
                               now.cluster_name, now.incarnation);
        case ring_state::watching_slot:
            return "found its volume; watching whether its slot is free";
        case ring_state::stopped:
            return "stopped";
        case ring_state::waiting_for_volume:
            return fmt::format("waiting for volume {}", config.volume);
        case ring_state::volume_lost:
            return fmt::format("has lost its volume {}; trying again", config.volume);
        case ring_state::refused:
            break;
    }
    return fmt::format("refuses volume {}", config.volume);
}

std::string node_text(const ring_config& config, std::uint32_t node_id) {
    const auto known = std::find_if(config.peers.begin(), config.peers.end(),
                                    [&](const auto& peer) { return peer.node_id == node_id; });
    return known == config.peers.end() || known->name.empty()
               ? fmt::format("node {}", node_id)
               : fmt::format("node {} ({})", node_id, known->name);
}

// What is wrong with the ring itself; the error of a receive volume has a line of its own.
std::string own_error(const statistics& now) {
    const auto& areas = now.receive_areas;
    const bool is_of_area = std::any_of(
        areas.begin(), areas.end(), [&](const auto& area) { return area.error == now.ring_error; });
    return is_of_area ? std::string() : now.ring_error;
}

}  // namespace

std::vector<log_line> change_log::observe(const statistics& now, std::chrono::nanoseconds clock) {
    std::vector<log_line> lines;
    observe_ring(now, lines);
    observe_stall(now, clock, lines);
    observe_areas(now, lines);
    observe_peers(now, clock, lines);
    observe_losses(now, clock, lines);
    for (auto& line : lines) {
        line.text = fmt::format("ring {}: {}", config_.interface, line.text);
    }
    return lines;
}

void change_log::observe_ring(const statistics& now, std::vector<log_line>& lines) {
    const auto error = own_error(now);
    if (state_ == now.state && error_ == error) {
        return;
    }
    // A ring that goes from "running" to "running" without its error is no news.
    const bool silent = state_ == now.state && error.empty();
    state_ = now.state;
    error_ = error;
    if (!silent) {
        auto text = text_of(now.state, config_, now);
        if (!error.empty()) {
            text += ": " + error;
        }
        lines.push_back({level_of(now.state), std::move(text), message_id_of(now.state)});
    }
}

void change_log::observe_stall(const statistics& now, std::chrono::nanoseconds clock,
                               std::vector<log_line>& lines) {
    if (!stalled_since_ && now.io_pending >= stall_min) {
        stalled_since_ = clock - now.io_pending;
        lines.push_back({log_level::warning,
                         fmt::format("volume {} has not answered for {:.1f} s", config_.volume,
                                     to_s(now.io_pending)),
                         message_id::volume_silent});
    } else if (stalled_since_ && now.io_pending < stall_min) {
        lines.push_back({log_level::info,
                         fmt::format("volume {} answers again after {:.1f} s", config_.volume,
                                     to_s(clock - *stalled_since_)),
                         message_id::volume_answers});
        stalled_since_.reset();
    }
}

void change_log::observe_peers(const statistics& now, std::chrono::nanoseconds clock,
                               std::vector<log_line>& lines) {
    for (const auto& peer : now.peers) {
        // Without our volume nothing can be said of a peer; the ring's line says that already.
        if (peer.state == peer_state::unseen || peer.state == peer_state::unknown) {
            continue;
        }
        if (is_late_still(peer, clock)) {
            continue;
        }
        observe_state(peer, lines);
        observe_hearing(peer, lines);
    }
}

// A lag around the deadline makes one line, not one at each crossing.
bool change_log::is_late_still(const peer_status& peer, std::chrono::nanoseconds clock) {
    const auto before = peers_.find(peer.node_id);
    if (before == peers_.end() || before->second != peer_state::late ||
        peer.state != peer_state::alive) {
        in_time_since_.erase(peer.node_id);
        return false;
    }
    const auto since = in_time_since_.try_emplace(peer.node_id, clock).first->second;
    return clock - since < in_time_min;
}

void change_log::observe_state(const peer_status& peer, std::vector<log_line>& lines) {
    const auto before = peers_.find(peer.node_id);
    if (before != peers_.end() && before->second == peer.state) {
        return;
    }
    const bool was_late = before != peers_.end() && before->second == peer_state::late;
    peers_[peer.node_id] = peer.state;
    const auto who = node_text(config_, peer.node_id);
    if (peer.state == peer_state::alive) {
        lines.push_back({log_level::info, who + (was_late ? " reads in time again" : " is alive"),
                         was_late ? message_id::peer_in_time : message_id::peer_alive});
    } else if (peer.state == peer_state::late) {
        lines.push_back({log_level::warning,
                         fmt::format("{} is late: it reads what we write later than {:.0f} ms "
                                     "after it was written (read_deadline_ms)",
                                     who, to_s(config_.engine.read_deadline) * 1000),
                         message_id::peer_late});
    } else if (peer.state == peer_state::stopped) {
        lines.push_back({log_level::info, who + " has stopped", message_id::peer_stopped});
    } else {
        lines.push_back(
            {log_level::warning,
             fmt::format("{} is silent: no beat for {:.1f} s", who, to_s(peer.heard_ago)),
             message_id::peer_silent});
    }
}

// Alive, yet not reading us any more: the way from here to there is cut, the other one is not.
void change_log::observe_hearing(const peer_status& peer, std::vector<log_line>& lines) {
    const bool is_there = peer.state == peer_state::alive || peer.state == peer_state::late;
    bool& hears = hears_us_[peer.node_id];
    if (!is_there || hears == peer.hears_us) {
        hears = is_there && hears;
        return;
    }
    hears = peer.hears_us;
    const auto who = node_text(config_, peer.node_id);
    if (hears) {
        lines.push_back({log_level::info, who + " reads us", message_id::peer_reads});
    } else {
        lines.push_back({log_level::warning,
                         who + " is alive, but does not read us any more: the way from this node "
                               "to it is cut",
                         message_id::peer_does_not_read});
    }
}

void change_log::observe_areas(const statistics& now, std::vector<log_line>& lines) {
    for (const auto& area : now.receive_areas) {
        const std::pair<ring_state, std::string> present{area.state, area.error};
        const auto [known, is_new] = areas_.try_emplace(area.volume, present);
        if (!is_new && known->second == present) {
            continue;
        }
        known->second = present;
        auto text = fmt::format("receive volume {} (nodes {}): {}", area.volume,
                                fmt::join(area.nodes, ", "), ring_state_name(area.state));
        if (!area.error.empty()) {
            text += ": " + area.error;
        }
        lines.push_back({level_of(area.state), std::move(text), message_id::receive_volume});
    }
}

void change_log::observe_losses(const statistics& now, std::chrono::nanoseconds clock,
                                std::vector<log_line>& lines) {
    if (losses_told_ && clock - *losses_told_ < loss_interval) {
        return;
    }
    std::string text;
    for (const auto which : worrying) {
        const auto grown = now[which] - counters_[static_cast<std::size_t>(which)];
        if (grown != 0) {
            text += fmt::format("{}{} +{}", text.empty() ? "" : ", ", counter_name(which), grown);
        }
    }
    if (text.empty()) {
        return;
    }
    counters_ = now.counters;
    losses_told_ = clock;
    lines.push_back({log_level::warning, text, message_id::frames_lost});
}

std::string summary(const ring_config& config, const statistics& now) {
    const auto alive = std::count_if(now.peers.begin(), now.peers.end(), [](const auto& peer) {
        return peer.state == peer_state::alive || peer.state == peer_state::late;
    });
    return fmt::format("{} {}, {} of {} peers alive", config.interface, ring_state_name(now.state),
                       alive, config.peers.size());
}

}  // namespace diskhb::daemon
