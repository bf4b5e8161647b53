// SPDX-License-Identifier: BSD-3-Clause
// What one node does in a fire drill: it streams numbered messages to the group, keeps book of what
// comes from the others, takes its network away when it is told to, and gives it back when told, or
// by itself when something is not as it must be: it never waits for a message that says so. A pure
// state machine; what it wants done is returned. Any thread, one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "plugin/corosync/interconnect.hpp"
#include "plugin/corosync/stream_record.hpp"
#include "plugin/watch/group_message.hpp"

namespace diskhb::watch {

// What a participant wants done.
struct send_to_group {
    group_message message;
};
struct cut_network {
    std::chrono::milliseconds hold{};
};
struct give_network_back {};
using drill_action = std::variant<send_to_group, cut_network, give_network_back>;
using drill_actions = std::vector<drill_action>;

class drill_participant {
  public:
    // What it takes part in at most, whoever asks.
    static constexpr std::uint32_t messages_per_s_max = 1000;
    static constexpr std::uint32_t message_bytes_max = 16 * 1024;
    static constexpr std::uint32_t life_ms_max = 300'000;
    // Due messages that are sent at one tick at most.
    static constexpr unsigned burst_max = 50;
    // How often to call tick while is_active.
    static constexpr std::chrono::milliseconds tick_interval{5};

    using steady_time = corosync::steady_time;
    using members = std::vector<corosync::group_member>;

    drill_participant(std::uint32_t pid, std::string name) : pid_(pid), name_(std::move(name)) {}

    bool is_active() const noexcept { return is_active_; }
    // Why we would take part in no other drill now; empty: we would. One at a time in the group:
    // all hear of the first of two, in the order of all, and of the second not before.
    std::string refusal(steady_time now) const;

    // state: of the interconnect, as it is now. delivered: when the message came.
    drill_actions on_message(const corosync::group_member& from, const group_message& message,
                             const corosync::interconnect_state& state, steady_time delivered);
    drill_actions on_group(const members& group);
    // Events of the interconnect, and the state after them.
    drill_actions on_events(std::span<const corosync::interconnect_event> events,
                            const corosync::interconnect_state& state, steady_time now);
    // The cut has taken place, not before `at`, or why not.
    drill_actions on_cut(const std::string& problem, steady_time at);
    drill_actions tick(const corosync::interconnect_state& state, steady_time now);

    // Why the network was given back before the end, or not taken away; empty: all is well.
    const std::string& problem() const noexcept { return problem_; }

  private:
    struct book {
        std::uint32_t pid = 0;
        bool is_member = true;
        corosync::sender_record record;
    };

    void begin(const corosync::group_member& from, const drill_begin& message,
               const corosync::interconnect_state& state, steady_time now);
    static bool is_bounded(const drill_begin& message) noexcept;
    bool is_elsewhere(steady_time now) const noexcept {
        return elsewhere_ && now < elsewhere_until_;
    }
    drill_actions enter(const drill_phase& message, bool is_ours, steady_time now);
    void take_data(const corosync::group_member& from, const drill_data& data, steady_time now);
    void count_latency(const drill_data& data, steady_time now);
    drill_actions give_up(const std::string& why);
    std::string what_is_wrong(const corosync::interconnect_state& state, steady_time now) const;
    void send_due(drill_actions& actions, steady_time now);
    drill_data make_data(bool is_last, steady_time now) const;
    bool has_all() const;
    drill_report report() const;

    std::uint32_t pid_;
    std::string name_;
    bool is_active_ = false;
    // Who has begun a drill that we have no part in, and until when it may go on.
    std::optional<corosync::group_member> elsewhere_;
    steady_time elsewhere_until_{};
    drill_begin plan_;
    corosync::group_member coordinator_;
    std::uint32_t node_id_ = 0;
    std::map<std::uint32_t, book> books_;  // by node id
    drill_part part_ = drill_part::before;
    bool holds_network_ = false;  // it is away, or on the way there
    steady_time begun_at_{};
    steady_time cut_at_{};
    steady_time back_at_{};
    std::optional<steady_time> detected_at_;
    std::optional<steady_time> restored_at_;  // the network was recognised as back
    std::optional<steady_time> ending_since_;
    std::uint64_t sequence_ = 0;
    std::array<corosync::latency_histogram, latency_parts> latency_;
    std::array<std::uint64_t, latency_parts> latency_messages_{};
    std::uint32_t quorum_losses_ = 0;
    std::uint32_t membership_changes_ = 0;
    std::uint32_t ring_losses_ = 0;
    std::string problem_;
};

}  // namespace diskhb::watch
