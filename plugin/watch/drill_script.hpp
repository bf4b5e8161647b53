// SPDX-License-Identifier: BSD-3-Clause
// The course of a fire drill, as the node has it on which it was started: stream, cut, stream, give
// back, stream, count; and the verdict over what the participants report. A pure state machine; its
// own part as a participant is drill_participant. Any thread, one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/corosync/interconnect.hpp"
#include "plugin/watch/drill_participant.hpp"

namespace diskhb::watch {

struct drill_plan {
    std::uint64_t drill = 0;
    std::uint32_t messages_per_s = 100;
    std::uint32_t message_bytes = 1024;
    bool for_all = false;                 // every node loses its network, else ours alone
    std::chrono::milliseconds before{};   // not shorter than knet's back-off after a link was down
    std::chrono::milliseconds during{};   // the network is away
    std::chrono::milliseconds after{};    // and back
    std::chrono::milliseconds silence{};  // a longer gap in a stream ends the cut at once
    std::chrono::milliseconds latency_max{};           // on the ring, 99 % of all messages
    std::vector<corosync::group_member> participants;  // ourselves too
};

enum class drill_stage { before, during, after, counting, done };
const char* name_of(drill_stage value) noexcept;

struct drill_result {
    bool has_passed = false;
    std::vector<std::string> failures;              // why not; one sentence each
    std::map<std::uint32_t, drill_report> reports;  // by node id
    std::optional<std::uint32_t> detected_ms;       // the slowest of the nodes that were cut
    std::uint64_t longest_gap_us = 0;
    std::uint64_t expected = 0;  // deliveries: each message, at each node
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
};

class drill_script {
  public:
    // After the end of `after`, for a network that has not come back; and for reports.
    static constexpr std::chrono::seconds return_patience{30};
    static constexpr std::chrono::seconds report_patience{15};
    // The participants' own limits lie beyond the drill's.
    static constexpr std::chrono::seconds slack{5};

    using steady_time = corosync::steady_time;

    explicit drill_script(drill_plan plan) : plan_(std::move(plan)) {}

    drill_actions start(steady_time now);
    // problem: of our own part as a participant (drill_participant::problem).
    drill_actions tick(const corosync::interconnect_state& state, const std::string& problem,
                       steady_time now);
    void on_report(const corosync::group_member& from, const drill_report& report);
    // Ends it as soon as may be: the network comes back first.
    void stop(const std::string& why);

    drill_stage stage() const noexcept { return stage_; }
    // How long the cut lasts at most, whatever happens.
    std::chrono::milliseconds hold() const noexcept { return plan_.during + slack; }
    // When it is done.
    drill_result result() const;

  private:
    drill_actions enter(drill_stage next, steady_time now);
    bool has_all_reports() const;
    void judge(const drill_report& report, std::uint32_t node_id, drill_result& result) const;

    drill_plan plan_;
    drill_stage stage_ = drill_stage::before;
    steady_time since_{};
    std::string stopped_;  // why it ended early
    bool has_returned_ = false;
    std::map<std::uint32_t, drill_report> reports_;
};

}  // namespace diskhb::watch
