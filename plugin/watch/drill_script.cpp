// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/drill_script.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::watch {

using std::chrono::milliseconds;

const char* name_of(drill_stage value) noexcept {
    switch (value) {
        case drill_stage::before:
            return "before";
        case drill_stage::during:
            return "during";
        case drill_stage::after:
            return "after";
        case drill_stage::counting:
            return "counting";
        case drill_stage::done:
            return "done";
    }
    return "unknown";
}

drill_actions drill_script::start(steady_time now) {
    since_ = now;
    const auto life =
        plan_.before + plan_.during + plan_.after + return_patience + report_patience + 2 * slack;
    drill_begin first;
    first.drill = plan_.drill;
    first.messages_per_s = plan_.messages_per_s;
    first.message_bytes = plan_.message_bytes;
    first.life_ms = static_cast<std::uint32_t>(milliseconds(life).count());
    first.silence_ms = static_cast<std::uint32_t>(plan_.silence.count());
    first.participants = plan_.participants;
    return {send_to_group{first}};
}

drill_actions drill_script::tick(const corosync::interconnect_state& state,
                                 const std::string& problem, steady_time now) {
    if (!problem.empty()) {
        stop(problem);
    }
    const auto lasted = now - since_;
    has_returned_ = state.runs_on == corosync::carrier::network;
    switch (stage_) {
        case drill_stage::before:
            if (!stopped_.empty()) {
                return enter(drill_stage::counting, now);
            }
            return lasted >= plan_.before ? enter(drill_stage::during, now) : drill_actions{};
        case drill_stage::during:
            return lasted >= plan_.during || !stopped_.empty() ? enter(drill_stage::after, now)
                                                               : drill_actions{};
        case drill_stage::after:
            if ((lasted >= plan_.after && has_returned_) ||
                lasted >= plan_.after + return_patience) {
                return enter(drill_stage::counting, now);
            }
            return {};
        case drill_stage::counting:
            return has_all_reports() || lasted >= report_patience ? enter(drill_stage::done, now)
                                                                  : drill_actions{};
        case drill_stage::done:
            break;
    }
    return {};
}

drill_actions drill_script::enter(drill_stage next, steady_time now) {
    stage_ = next;
    since_ = now;
    drill_phase phase;
    phase.drill = plan_.drill;
    phase.for_all = plan_.for_all;
    phase.hold_ms = static_cast<std::uint32_t>(hold().count());
    if (next == drill_stage::during) {
        phase.part = drill_part::during;
        return {send_to_group{phase}};
    }
    if (next == drill_stage::after) {
        // Ours at once: the message may be long under way.
        phase.part = drill_part::after;
        return {give_network_back{}, send_to_group{phase}};
    }
    if (next == drill_stage::counting) {
        return {give_network_back{}, send_to_group{drill_end{plan_.drill}}};
    }
    return {};
}

void drill_script::stop(const std::string& why) {
    if (stopped_.empty()) {
        stopped_ = why;
    }
}

void drill_script::on_report(const corosync::group_member& from, const drill_report& report) {
    const bool is_ours = report.drill == plan_.drill &&
                         std::find(plan_.participants.begin(), plan_.participants.end(), from) !=
                             plan_.participants.end();
    if (is_ours) {
        reports_.insert_or_assign(from.node_id, report);
    }
}

bool drill_script::has_all_reports() const { return reports_.size() == plan_.participants.size(); }

void drill_script::judge(const drill_report& report, std::uint32_t node_id,
                         drill_result& result) const {
    const auto fail = [&](const std::string& why) {
        result.failures.push_back(fmt::format("node {}: {}", node_id, why));
    };
    if (!report.problem.empty() && report.problem != stopped_) {
        fail(report.problem);
    }
    if (report.quorum_losses != 0) {
        fail(fmt::format("quorum was lost {} times", report.quorum_losses));
    }
    if (report.membership_changes != 0) {
        fail(fmt::format("the membership has changed {} times", report.membership_changes));
    }
    if (report.ring_losses != 0) {
        fail(fmt::format("nodes were lost on the ring {} times", report.ring_losses));
    }
    for (const auto& sender : report.senders) {
        result.longest_gap_us = std::max(result.longest_gap_us, sender.longest_gap_us);
        result.delivered += sender.received;
        result.expected += sender.received + sender.lost;
        result.lost += sender.lost;
        if (sender.lost != 0 || sender.duplicated != 0 || sender.reordered != 0 ||
            sender.corrupt != 0) {
            fail(fmt::format(
                "of node {}'s messages {} were lost, {} doubled, {} out of order, {} "
                "damaged",
                sender.node_id, sender.lost, sender.duplicated, sender.reordered, sender.corrupt));
        } else if (!sender.is_complete) {
            fail(fmt::format("the last message of node {} did not come", sender.node_id));
        }
    }
    constexpr std::size_t on_ring = 2;
    if (report.latency.size() > on_ring) {
        const auto limit_us = static_cast<std::uint64_t>(plan_.latency_max.count()) * 1000;
        if (report.latency[on_ring].us_p99 > limit_us) {
            fail(
                fmt::format("too slow on the ring: 99 % of the messages took up to {:.1f} ms, more "
                            "than {} ms",
                            static_cast<double>(report.latency[on_ring].us_p99) / 1000,
                            plan_.latency_max.count()));
        } else if (report.latency[on_ring].messages == 0 && stopped_.empty()) {
            fail("no message went over the ring");
        }
    }
}

drill_result drill_script::result() const {
    drill_result result;
    result.reports = reports_;
    if (!stopped_.empty()) {
        result.failures.push_back("given up: " + stopped_);
    }
    if (stage_ == drill_stage::done && !has_returned_) {
        result.failures.push_back("the network has not come back here");
    }
    const bool was_cut = stopped_.empty();
    for (const auto& each : plan_.participants) {
        const auto found = reports_.find(each.node_id);
        if (found == reports_.end()) {
            result.failures.push_back(fmt::format("node {} has not reported", each.node_id));
            continue;
        }
        const auto& report = found->second;
        judge(report, each.node_id, result);
        if (was_cut && !report.detected_ms) {
            result.failures.push_back(
                fmt::format("node {} has not noticed that the network was gone", each.node_id));
        }
        if (report.detected_ms) {
            result.detected_ms = std::max(result.detected_ms.value_or(0), *report.detected_ms);
        }
    }
    result.has_passed = stage_ == drill_stage::done && result.failures.empty();
    return result;
}

}  // namespace diskhb::watch
