// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/drill_participant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "format/crc32c.hpp"

namespace diskhb::watch {

using corosync::interconnect_event;
using corosync::interconnect_state;
using kind = corosync::interconnect_event_kind;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// Messages that waited for knet to notice come for some time after it has.
constexpr milliseconds switching_time{500};
// After the end of the sending, for what is still on its way.
constexpr milliseconds collect_time{10'000};

std::int64_t ns_of(corosync::steady_time at) {
    return duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

std::uint32_t ms_between(corosync::steady_time from, corosync::steady_time to) {
    return static_cast<std::uint32_t>(
        std::max<std::int64_t>(0, duration_cast<milliseconds>(to - from).count()));
}

std::uint64_t us_of(std::int64_t ns) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, ns) / 1000);
}

std::uint32_t checksum_of(const std::vector<std::byte>& payload) {
    format::crc32c sum;
    sum.update(payload);
    return sum.value();
}

bool all_on_network(const interconnect_state& state) {
    return std::all_of(state.others.begin(), state.others.end(),
                       [](const auto& node) { return !node.is_member || node.on_network; });
}

}  // namespace

drill_actions drill_participant::on_message(const corosync::group_member& from,
                                            const group_message& message,
                                            const interconnect_state& state,
                                            steady_time delivered) {
    if (const auto* const first = std::get_if<drill_begin>(&message)) {
        if (!is_active_) {
            begin(from, *first, state, delivered);
        }
        return {};
    }
    if (std::holds_alternative<drill_end>(message) && elsewhere_ == from) {
        elsewhere_.reset();
    }
    if (!is_active_) {
        return {};
    }
    if (const auto* const data = std::get_if<drill_data>(&message)) {
        if (data->drill == plan_.drill) {
            take_data(from, *data, delivered);
        }
    } else if (from != coordinator_) {
        return {};
    } else if (const auto* const phase = std::get_if<drill_phase>(&message)) {
        if (phase->drill == plan_.drill) {
            const bool is_ours = from == corosync::group_member{node_id_, pid_};
            return enter(*phase, is_ours, delivered);
        }
    } else if (const auto* const end = std::get_if<drill_end>(&message)) {
        if (end->drill == plan_.drill && !ending_since_) {
            ending_since_ = delivered;
            return {send_to_group{make_data(true, delivered)}};
        }
    }
    return {};
}

bool drill_participant::is_bounded(const drill_begin& message) noexcept {
    return message.messages_per_s >= 1 && message.messages_per_s <= messages_per_s_max &&
           message.message_bytes <= message_bytes_max && message.life_ms <= life_ms_max &&
           message.silence_ms >= 100;
}

// Only what asks for no more than an honest drill, and for us, while no other goes on.
void drill_participant::begin(const corosync::group_member& from, const drill_begin& message,
                              const interconnect_state& state, steady_time now) {
    const corosync::group_member self{state.local_node_id, pid_};
    if (!is_bounded(message)) {
        return;
    }
    if (is_elsewhere(now)) {
        if (from == self) {
            (void)give_up(refusal(now));
        }
        return;
    }
    if (std::find(message.participants.begin(), message.participants.end(), self) ==
        message.participants.end()) {
        elsewhere_ = from;
        elsewhere_until_ = now + milliseconds(message.life_ms);
        return;
    }
    // All but who and what we are begins anew.
    *this = drill_participant(pid_, name_);
    is_active_ = true;
    plan_ = message;
    coordinator_ = from;
    node_id_ = state.local_node_id;
    begun_at_ = now;
    const auto most = std::uint64_t{message.messages_per_s} * message.life_ms / 1000 + 1000;
    for (const auto& each : message.participants) {
        books_.emplace(each.node_id, book{each.pid, true, corosync::sender_record(most)});
    }
}

std::string drill_participant::refusal(steady_time now) const {
    if (is_active_) {
        return "takes part in a drill already";
    }
    return is_elsewhere(now)
               ? fmt::format("knows of another drill, begun on node {}", elsewhere_->node_id)
               : "";
}

drill_actions drill_participant::enter(const drill_phase& message, bool is_ours, steady_time now) {
    if (message.part <= part_ || ending_since_) {
        return {};
    }
    part_ = message.part;
    if (part_ == drill_part::after) {
        back_at_ = now;
        const bool held = std::exchange(holds_network_, false);
        return held ? drill_actions{give_network_back{}} : drill_actions{};
    }
    cut_at_ = now;
    if (!message.for_all && !is_ours) {
        return {};
    }
    holds_network_ = true;
    return {cut_network{milliseconds(message.hold_ms)}};
}

drill_actions drill_participant::on_cut(const std::string& problem, steady_time at) {
    if (!problem.empty()) {
        return give_up("the network could not be taken away: " + problem);
    }
    cut_at_ = at;
    // Meanwhile we may have changed our mind.
    return holds_network_ ? drill_actions{} : drill_actions{give_network_back{}};
}

void drill_participant::take_data(const corosync::group_member& from, const drill_data& data,
                                  steady_time now) {
    const auto found = books_.find(from.node_id);
    if (found == books_.end() || found->second.pid != from.pid) {
        return;
    }
    auto& record = found->second.record;
    if (data.checksum != checksum_of(data.payload)) {
        record.count_corrupt();
    } else if (data.is_last) {
        record.accept_last(data.sequence, ns_of(now));
    } else {
        record.accept(data.sequence, ns_of(now));
        if (from.node_id == node_id_) {
            count_latency(data, now);
        }
    }
}

void drill_participant::count_latency(const drill_data& data, steady_time now) {
    std::size_t part = 0;
    const steady_time sent{std::chrono::nanoseconds(data.sent_ns)};
    if (part_ == drill_part::after) {
        part = 3;
    } else if (part_ == drill_part::during) {
        part = detected_at_ && sent > *detected_at_ + switching_time ? 2 : 1;
    }
    latency_[part].add(ns_of(now) - data.sent_ns);
    ++latency_messages_[part];
}

drill_actions drill_participant::on_group(const members& group) {
    const auto is_there = [&](const corosync::group_member& one) {
        return std::find(group.begin(), group.end(), one) != group.end();
    };
    if (elsewhere_ && !is_there(*elsewhere_)) {
        elsewhere_.reset();
    }
    if (!is_active_) {
        return {};
    }
    for (auto& [node_id, each] : books_) {
        each.is_member = is_there({node_id, each.pid});
    }
    if (is_there(coordinator_)) {
        return {};
    }
    // Nobody is left who would tell us to give it back.
    is_active_ = false;
    return give_up("the drill has ended without a word");
}

drill_actions drill_participant::give_up(const std::string& why) {
    if (problem_.empty()) {
        problem_ = why;
    }
    const bool held = std::exchange(holds_network_, false);
    return held ? drill_actions{give_network_back{}} : drill_actions{};
}

drill_actions drill_participant::on_events(std::span<const interconnect_event> events,
                                           const interconnect_state& state, steady_time now) {
    if (!is_active_) {
        return {};
    }
    for (const auto& event : events) {
        membership_changes_ += event.kind == kind::members ? 1 : 0;
        quorum_losses_ += event.kind == kind::inquorate ? 1 : 0;
        ring_losses_ += event.kind == kind::ring_lost ? 1 : 0;
        if (event.kind == kind::network_lost && part_ == drill_part::during && !detected_at_) {
            detected_at_ = now;
        }
    }
    if (part_ == drill_part::after && !restored_at_ && all_on_network(state)) {
        restored_at_ = now;
    }
    return tick(state, now);
}

std::string drill_participant::what_is_wrong(const interconnect_state& state,
                                             steady_time now) const {
    if (state.corosync != corosync::corosync_state::running) {
        return fmt::format("Corosync is {}", corosync::name_of(state.corosync));
    }
    if (!state.is_quorate || quorum_losses_ != 0) {
        return "quorum was lost";
    }
    if (membership_changes_ != 0) {
        return "the membership has changed";
    }
    if (ring_losses_ != 0) {
        return "a node was lost on the ring";
    }
    for (const auto& [node_id, each] : books_) {
        const auto last_ns = std::max(each.record.last_at_ns(), ns_of(begun_at_));
        const auto silence_ms = (ns_of(now) - last_ns) / 1'000'000;
        if (silence_ms > plan_.silence_ms) {
            return fmt::format("nothing came of node {} for {} ms", node_id, silence_ms);
        }
    }
    return {};
}

drill_actions drill_participant::tick(const interconnect_state& state, steady_time now) {
    if (!is_active_) {
        return {};
    }
    drill_actions actions;
    if (now - begun_at_ > milliseconds(plan_.life_ms)) {
        is_active_ = false;
        return give_up("the drill has lasted too long");
    }
    // What is wrong before the cut must not be made worse by it.
    if (part_ != drill_part::after && !ending_since_) {
        if (const auto wrong = what_is_wrong(state, now); !wrong.empty()) {
            actions = give_up(wrong);
        }
    }
    if (!ending_since_) {
        send_due(actions, now);
    } else if (has_all() || now - *ending_since_ > collect_time) {
        is_active_ = false;
        actions.push_back(send_to_group{report()});
    }
    return actions;
}

void drill_participant::send_due(drill_actions& actions, steady_time now) {
    const auto due =
        static_cast<std::uint64_t>(ms_between(begun_at_, now)) * plan_.messages_per_s / 1000;
    for (unsigned i = 0; i < burst_max && sequence_ < due; ++i) {
        actions.emplace_back(std::in_place_type<send_to_group>, make_data(false, now));
        ++sequence_;
    }
}

drill_data drill_participant::make_data(bool is_last, steady_time now) const {
    drill_data data;
    data.drill = plan_.drill;
    data.is_last = is_last;
    data.sequence = sequence_;
    data.sent_ns = ns_of(now);
    data.payload.resize(plan_.message_bytes);
    // Another pattern for each message, so that a mix of two shows.
    auto word = (sequence_ + node_id_) * 0x9e3779b97f4a7c15ULL;
    for (auto& each : data.payload) {
        each = static_cast<std::byte>(word >> 56);
        word += 0x9e3779b97f4a7c15ULL;
    }
    data.checksum = checksum_of(data.payload);
    return data;
}

// Who has left the group says no last word.
bool drill_participant::has_all() const {
    return std::all_of(books_.begin(), books_.end(), [](const auto& each) {
        return !each.second.is_member || each.second.record.sent().has_value();
    });
}

drill_report drill_participant::report() const {
    drill_report made;
    made.drill = plan_.drill;
    made.name = name_;
    for (const auto& [node_id, each] : books_) {
        const auto& record = each.record;
        sender_book sender;
        sender.node_id = node_id;
        sender.received = record.received();
        sender.lost = record.lost();
        sender.duplicated = record.duplicated();
        sender.reordered = record.reordered();
        sender.corrupt = record.corrupt();
        sender.is_complete = record.sent().has_value();
        sender.longest_gap_us = us_of(record.longest_gap_ns());
        made.senders.push_back(sender);
    }
    for (std::size_t part = 0; part < latency_parts; ++part) {
        const auto us = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
        made.latency.push_back({latency_messages_[part], us(latency_[part].percentile_us(0.5)),
                                us(latency_[part].percentile_us(0.99)),
                                us(latency_[part].max_us())});
    }
    made.quorum_losses = quorum_losses_;
    made.membership_changes = membership_changes_;
    made.ring_losses = ring_losses_;
    if (detected_at_) {
        made.detected_ms = ms_between(cut_at_, *detected_at_);
    }
    if (restored_at_) {
        made.back_ms = ms_between(back_at_, *restored_at_);
    }
    made.problem = problem_;
    return made;
}

}  // namespace diskhb::watch
