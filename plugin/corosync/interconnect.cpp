// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/interconnect.hpp"

#include <algorithm>
#include <utility>

namespace diskhb::corosync {

using kind = interconnect_event_kind;

const char* name_of(carrier value) noexcept {
    switch (value) {
        case carrier::nothing:
            return "nothing";
        case carrier::network:
            return "network";
        case carrier::both:
            return "both";
        case carrier::ring:
            return "ring";
    }
    return "unknown";
}

const char* name_of(corosync_state value) noexcept {
    switch (value) {
        case corosync_state::unknown:
            return "unknown";
        case corosync_state::running:
            return "running";
        case corosync_state::silent:
            return "silent";
        case corosync_state::gone:
            return "gone";
    }
    return "unknown";
}

const char* name_of(interconnect_event_kind value) noexcept {
    switch (value) {
        case kind::started:
            return "started";
        case kind::network_lost:
            return "network-lost";
        case kind::network_back:
            return "network-back";
        case kind::on_ring:
            return "on-ring";
        case kind::ring_lost:
            return "ring-lost";
        case kind::ring_back:
            return "ring-back";
        case kind::cut_off:
            return "cut-off";
        case kind::inquorate:
            return "inquorate";
        case kind::quorate:
            return "quorate";
        case kind::members:
            return "members";
        case kind::corosync_silent:
            return "corosync-silent";
        case kind::corosync_gone:
            return "corosync-gone";
        case kind::corosync_back:
            return "corosync-back";
    }
    return "unknown";
}

std::vector<interconnect_event> interconnect::step(const interconnect_input& input,
                                                   steady_time now) {
    events_.clear();
    std::visit([&](const auto& each) { take(each, now); }, input);
    return std::move(events_);
}

void interconnect::take(const link_report& report, steady_time now) {
    has_links_ = true;
    state_.local_node_id = report.local_node_id;
    state_.others.clear();
    for (const auto& path : paths_of(report, ring_links_, ring_links_)) {
        state_.others.push_back({path.node_id, false, path.on_network, path.on_ring});
    }
    answered(now);
}

void interconnect::take(const quorum_report& report, steady_time now) {
    const bool was_quorate = std::exchange(state_.is_quorate, report.is_quorate);
    auto members = report.members;
    std::sort(members.begin(), members.end());
    const bool is_other = members != state_.members;
    state_.members = std::move(members);
    const bool was_known = std::exchange(has_quorum_, true);
    if (has_started_ && was_known) {
        if (is_other) {
            tell(kind::members, state_.members);
        }
        if (was_quorate != report.is_quorate) {
            tell(report.is_quorate ? kind::quorate : kind::inquorate, {});
        }
    }
    answered(now);
}

void interconnect::take(const corosync_gone&, steady_time) {
    if (state_.corosync == corosync_state::gone) {
        return;
    }
    state_ = {};
    state_.corosync = corosync_state::gone;
    memory_.clear();
    has_links_ = has_quorum_ = false;
    tell(kind::corosync_gone, {});
}

void interconnect::take(const tick&, steady_time now) {
    ++ticks_;
    if (state_.corosync == corosync_state::running && ticks_ >= silence_ticks &&
        now - answered_at_ > silence_) {
        // The links and the membership are those of before; nothing newer is known.
        state_.corosync = corosync_state::silent;
        tell(kind::corosync_silent, {});
    }
}

// Who was silent is back with the first report, when what is so now is known.
void interconnect::take(const sign_of_life&, steady_time now) {
    answered_at_ = now;
    ticks_ = 0;
}

void interconnect::take(const totem_report& report, steady_time now) {
    silence_ = std::max(report.token, silence_least);
    take(sign_of_life{}, now);
}

void interconnect::answered(steady_time now) {
    take(sign_of_life{}, now);
    if (!has_links_ || !has_quorum_) {
        return;
    }
    const auto before = std::exchange(state_.corosync, corosync_state::running);
    remember_members(now);
    if (!has_started_) {
        start(now);
        return;
    }
    if (before == corosync_state::gone || before == corosync_state::silent) {
        tell(kind::corosync_back, {});
    }
    if (before == corosync_state::gone) {
        tell(state_.is_quorate ? kind::quorate : kind::inquorate, {});
    }
    look_at_ways(now);
}

// What is so at the start is no news: it is told as a whole.
void interconnect::start(steady_time) {
    has_started_ = true;
    for (const auto& node : state_.others) {
        if (node.is_member) {
            auto& memory = memory_[node.node_id];
            memory.network = node.on_network ? told::up : told::down;
            memory.ring = node.on_ring ? told::up : told::down;
        }
    }
    state_.runs_on = find_carrier();
    tell(kind::started, state_.members);
}

void interconnect::remember_members(steady_time now) {
    const auto is_member = [&](std::uint32_t node_id) {
        return std::binary_search(state_.members.begin(), state_.members.end(), node_id);
    };
    std::erase_if(memory_, [&](const auto& each) { return !is_member(each.first); });
    for (auto& node : state_.others) {
        node.is_member = is_member(node.node_id);
        if (node.is_member) {
            memory_.try_emplace(node.node_id, member_memory{now, {}, {}});
        }
    }
}

void interconnect::look_at(told& memory, bool is_up, bool is_settled, std::uint32_t node_id,
                           std::vector<std::uint32_t>& lost,
                           std::vector<std::uint32_t>& back) const {
    if (is_up) {
        if (std::exchange(memory, told::up) == told::down) {
            back.push_back(node_id);
        }
    } else if (memory == told::up || (memory == told::nothing && is_settled)) {
        memory = told::down;
        lost.push_back(node_id);
    }
}

void interconnect::look_at_ways(steady_time now) {
    std::vector<std::uint32_t> network_lost;
    std::vector<std::uint32_t> network_back;
    std::vector<std::uint32_t> ring_lost;
    std::vector<std::uint32_t> ring_back;
    for (const auto& node : state_.others) {
        const auto found = memory_.find(node.node_id);
        if (found != memory_.end()) {
            auto& memory = found->second;
            const bool is_settled = now - memory.since > settle_time;
            look_at(memory.network, node.on_network, is_settled, node.node_id, network_lost,
                    network_back);
            look_at(memory.ring, node.on_ring, is_settled, node.node_id, ring_lost, ring_back);
        }
    }
    // Who is reached over the ring alone, and was not until now.
    std::vector<std::uint32_t> on_ring;
    for (const auto& node : state_.others) {
        const auto concerns = [&](const std::vector<std::uint32_t>& ids) {
            return std::find(ids.begin(), ids.end(), node.node_id) != ids.end();
        };
        const bool is_down =
            memory_.count(node.node_id) != 0 && memory_[node.node_id].network == told::down;
        if (is_down && node.on_ring && (concerns(network_lost) || concerns(ring_back))) {
            on_ring.push_back(node.node_id);
        }
    }
    const auto before = std::exchange(state_.runs_on, find_carrier());
    const std::pair<kind, std::vector<std::uint32_t>*> news[] = {
        {kind::network_lost, &network_lost},
        {kind::ring_lost, &ring_lost},
        {kind::ring_back, &ring_back},
        {kind::on_ring, &on_ring},
        {kind::network_back, &network_back}};
    for (const auto& [what, node_ids] : news) {
        if (!node_ids->empty()) {
            tell(what, std::move(*node_ids));
        }
    }
    if (state_.runs_on == carrier::nothing && before != carrier::nothing && !memory_.empty()) {
        tell(kind::cut_off, {});
    }
}

void interconnect::tell(kind what, std::vector<std::uint32_t> node_ids) {
    std::sort(node_ids.begin(), node_ids.end());
    events_.push_back({what, std::move(node_ids)});
}

carrier interconnect::find_carrier() const {
    std::size_t on_network = 0;
    std::size_t on_ring_alone = 0;
    for (const auto& node : state_.others) {
        if (node.is_member) {
            on_network += node.on_network ? 1 : 0;
            on_ring_alone += !node.on_network && node.on_ring ? 1 : 0;
        }
    }
    if (on_network + on_ring_alone == 0) {
        return carrier::nothing;
    }
    if (is_network_lost(on_network, on_ring_alone)) {
        return carrier::ring;
    }
    return on_ring_alone == 0 ? carrier::network : carrier::both;
}

}  // namespace diskhb::corosync
