// SPDX-License-Identifier: BSD-3-Clause
// What the cluster runs on, seen from this node: a pure state machine over what Corosync says of
// its links, its quorum and itself. Time is handed in (any steady clock, always the same); any
// thread, one at a time.
//
// Only members count. A node that has left, or has not come yet, has no network to lose; one that
// has died is a member until totem gives it up, so its loss shows as a lost network first, and then
// as `members`. A link of a new member may take its time: it is lost only if it does not come up
// within settle_time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "plugin/corosync/node_paths.hpp"

namespace diskhb::corosync {

// What the cluster's messages go by, as far as this node sends and receives them.
enum class carrier {
    nothing,  // no other member is reached, or there is none
    network,  // all members that are reached are reached over the network
    both,     // some are reached over the ring alone, and the most over the network
    ring,     // the network is lost
};
const char* name_of(carrier value) noexcept;

enum class corosync_state {
    unknown,  // nothing was heard of it yet
    running,
    silent,  // connected, and it does not answer
    gone,
};
const char* name_of(corosync_state value) noexcept;

enum class interconnect_event_kind {
    started,          // the first picture is complete
    network_lost,     // members that are not reached over the network any more
    network_back,     // members that are reached over it again
    on_ring,          // members that knet reaches over the ring alone from now on
    ring_lost,        // members that are not reached over the ring any more
    ring_back,        // members that are reached over it again
    cut_off,          // no other member is reached, by any way
    inquorate,        // votequorum says so
    quorate,          // again
    members,          // the membership is another one
    corosync_silent,  // Corosync has said nothing at all for silence()
    corosync_gone,    // Corosync has ended
    corosync_back,    // Corosync answers again
};
const char* name_of(interconnect_event_kind value) noexcept;

struct interconnect_event {
    interconnect_event_kind kind = interconnect_event_kind::started;
    std::vector<std::uint32_t> node_ids;  // whom it is about; ascending
};

using steady_time = std::chrono::steady_clock::time_point;

// What can happen. Nothing but the passing of time: tick.
struct corosync_gone {
    error_code why;
};
struct tick {};
struct quorum_report {
    bool is_quorate = false;
    std::vector<std::uint32_t> members;  // ourselves too
};
// Corosync has answered a call, or sent something, that is no report by itself.
struct sign_of_life {};
// Totem's timers in force.
struct totem_report {
    std::chrono::milliseconds token{};  // then the other nodes give up on one that is not heard
};
using interconnect_input =
    std::variant<link_report, quorum_report, corosync_gone, tick, sign_of_life, totem_report>;

// A member, or another node of the nodelist.
struct node_view {
    std::uint32_t node_id = 0;
    bool is_member = false;
    bool on_network = false;
    bool on_ring = false;
};

struct interconnect_state {
    corosync_state corosync = corosync_state::unknown;
    carrier runs_on = carrier::nothing;
    bool is_quorate = false;
    std::uint32_t local_node_id = 0;
    std::vector<std::uint32_t> members;  // ascending; ourselves too
    std::vector<node_view> others;       // of the nodelist
};

class interconnect {
  public:
    static constexpr std::chrono::seconds settle_time{10};
    // Corosync is silent when nothing came of it for the token's timeout, and not less than this:
    // by then the others give up on a node that stands still. Before, a wait says no more than that
    // the host is busy, or that clients send more than the cluster takes: Corosync then leaves
    // calls unread (exec/ipc_glue.c, cs_ipcs_check_for_flow_control), and does its work. Besides,
    // we must have been run ourselves: so many ticks, a quarter of a second apart, have come
    // meanwhile. A host that stood still says nothing of Corosync.
    static constexpr std::chrono::milliseconds silence_least{2000};
    static constexpr unsigned silence_ticks = 7;

    explicit interconnect(std::vector<unsigned> ring_links) : ring_links_(std::move(ring_links)) {}

    // The events that follow, in the order in which to tell them; state() is that after them.
    std::vector<interconnect_event> step(const interconnect_input& input, steady_time now);
    const interconnect_state& state() const noexcept { return state_; }
    std::chrono::milliseconds silence() const noexcept { return silence_; }
    // Links and quorum are known, and `started` was told.
    bool has_started() const noexcept { return has_started_; }

  private:
    // What was told of a way to a member.
    enum class told { nothing, up, down };
    struct member_memory {
        steady_time since;  // it is a member
        told network = told::nothing;
        told ring = told::nothing;
    };

    void take(const link_report& report, steady_time now);
    void take(const quorum_report& report, steady_time now);
    void take(const corosync_gone&, steady_time now);
    void take(const tick&, steady_time now);
    void take(const sign_of_life&, steady_time now);
    void take(const totem_report& report, steady_time now);
    void answered(steady_time now);
    void start(steady_time now);
    void remember_members(steady_time now);
    void look_at_ways(steady_time now);
    void look_at(told& memory, bool is_up, bool is_settled, std::uint32_t node_id,
                 std::vector<std::uint32_t>& lost, std::vector<std::uint32_t>& back) const;
    void tell(interconnect_event_kind kind, std::vector<std::uint32_t> node_ids);
    carrier find_carrier() const;

    std::vector<unsigned> ring_links_;
    interconnect_state state_;
    std::map<std::uint32_t, member_memory> memory_;  // of the other members
    std::vector<interconnect_event> events_;         // of this step
    std::chrono::milliseconds silence_ = silence_least;
    steady_time answered_at_{};
    unsigned ticks_ = 0;  // since then
    bool has_links_ = false;
    bool has_quorum_ = false;
    bool has_started_ = false;
};

}  // namespace diskhb::corosync
