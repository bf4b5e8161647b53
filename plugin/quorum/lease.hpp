// SPDX-License-Identifier: BSD-3-Clause
// The quorum lease of one node: which ring's members may cast the quorum device's vote. A pure
// state machine, step(input, now) -> actions: no I/O, no clock, no chance of its own. One thread.
//
// doc/quorum.md says how it works and why no two partitions vote at once; the words here are
// explained there. Three things make up that argument, and each has its place in the code:
//   - what a node has promised in its block (lease_ballot.cpp, join),
//   - when a silent node has no vote any more (lease_ballot.cpp, is_out),
//   - how long a vote stands (lease_vote.cpp).
// When to ask for a grant, and for whom, is not part of it (lease_policy.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "plugin/quorum/neighbour.hpp"
#include "plugin/quorum/own_blocks.hpp"
#include "plugin/quorum/partition.hpp"
#include "plugin/quorum/timing.hpp"

namespace diskhb::quorum {

struct lease_options {
    slot_index slot = 0;
    std::uint16_t slots = 0;        // of each volume
    unsigned volumes = 1;           // 1, 3 or 5
    std::uint64_t incarnation = 0;  // drawn at each start, never 0
    timings times;                  // completed and checked
    tie_breaker ties;
    std::uint32_t score = 0;
};

// What happened. Times are of the same clock as step's `now`.
struct volume_was_read {
    unsigned volume = 0;
    std::uint64_t issued_ns = 0;
    std::span<const sighting> table;  // one a slot; empty: the read failed
};
struct volume_was_written {
    unsigned volume = 0;
    bool succeeded = false;
};
// Corosync's votequorum has a new membership. ring unknown: Corosync is gone.
struct ring_has_changed {
    ring_id ring;
    slot_set members;
    bool is_waiting = false;  // in the sync phase, which waits for our poll
};
// The last poll made by order `generation` was answered. One that Corosync refused (an old ring) is
// not an answer.
struct poll_was_accepted {
    std::uint64_t generation = 0;
};
struct score_has_changed {
    std::uint32_t score = 0;
    format::heuristics_result heuristics = format::heuristics_result::off;
};
struct stop_was_asked {};
struct time_has_passed {};
using lease_input =
    std::variant<time_has_passed, volume_was_read, volume_was_written, ring_has_changed,
                 poll_was_accepted, score_has_changed, stop_was_asked>;

// What to tell votequorum, from now until the next order. yes: poll with the vote again and again
// while the clock is before valid_until_ns, and without it as soon as that has passed, whatever
// else happens. no: poll without it. undecided: do not poll at all (Corosync's sync phase waits).
struct vote_order {
    std::uint64_t generation = 0;  // grows when ring or vote change
    ring_id ring;
    format::vote_state vote = format::vote_state::no;
    std::uint64_t valid_until_ns = 0;  // of a yes
    bool operator==(const vote_order&) const = default;
};

// For the log.
enum class lease_event {
    joined_table,    // began to write: after the watch over its own slot
    ballot_started,  // of our own
    ballot_lost,     // another ballot was higher, the ring changed, or our blocks came too late
    grant_obtained,
    grant_lost,     // our blocks came too late to renew it
    grant_revoked,  // given back
    vote_cast,
    vote_withdrawn,
    said_no_in_time,  // undecided at the end of the sync phase
};
const char* name_of(lease_event event) noexcept;

struct lease_actions {
    std::vector<unsigned> writes;  // block() to our slot of these volumes
    std::vector<unsigned> reads;   // the whole table of these volumes
    std::vector<lease_event> events;
    bool slot_is_taken = false;  // another daemon writes to our slot: end, and say so
    bool has_stopped = false;    // after stop_was_asked: everybody can know, the process may end
    std::uint64_t wake_ns = 0;   // call again then at the latest
};

class lease {
  public:
    // Begins to read at the first step.
    explicit lease(const lease_options& options);

    // `now_ns` never goes back. The actions are valid until the next step. A volume has one request
    // at a time: after a write or read was ordered, none follows until it was reported as done.
    const lease_actions& step(const lease_input& input, std::uint64_t now_ns);

    // What a write writes: valid until the next step.
    const format::quorum_block& block() const noexcept { return block_; }
    const vote_order& vote() const noexcept { return vote_; }
    const neighbour& seen(slot_index slot) const noexcept { return neighbours_[slot]; }
    // Whether our blocks reach a majority of the volumes in time.
    bool is_ready(std::uint64_t now_ns) const noexcept { return now_ns < chain_end_ns(); }
    // The live node whose grant is in force, as far as we know; the slot of the holder, maybe ours.
    std::optional<slot_index> holder(std::uint64_t now_ns) const noexcept;
    format::quorum_state state() const noexcept { return state_; }

  private:
    enum class phase { watching, taking_part, stopping, stopped, thrown_out };

    struct volume_state {
        bool busy = false;
        std::uint64_t written = 0;       // sequence of the last block written, as far as we know
        std::uint64_t writing = 0;       // of the block on its way
        std::uint64_t next_read_ns = 0;  // 0: as soon as possible
        std::uint64_t next_write_ns = 0;
        // No read issued from then on shows what was there before our ballot; 0: it was not seen.
        std::uint64_t ballot_known_ns = 0;
        format::quorum_echo stranger;  // the last block of another incarnation in our slot
    };

    // lease.cpp: inputs, blocks, I/O.
    void handle(const time_has_passed&) {}
    void handle(const volume_was_read& done);
    void handle(const volume_was_written& done);
    void handle(const ring_has_changed& change);
    void handle(const poll_was_accepted& answer);
    void handle(const score_has_changed& change);
    void handle(const stop_was_asked&);
    void read_own_slot(const volume_was_read& done);
    void watch();
    void take_part(bool was_clean);
    void finish();
    void publish();
    void drive_volumes();
    std::uint64_t wake_time() const noexcept;
    bool is_hot() const noexcept;
    std::uint64_t chain_end_ns() const noexcept;
    void say(lease_event event) { actions_.events.push_back(event); }

    // lease_ballot.cpp: promises and grants. Safety rests on it.
    void lapse();
    void start_ballot();
    void promise(const format::ballot& ballot, const ring_id& ring);
    void drop_grant(format::grant_state left, lease_event why);
    void advance_ballot();
    void join();
    bool may_join(const format::quorum_block& other);
    bool is_out(slot_index slot) const noexcept;
    bool has_joined(slot_index slot) const noexcept;
    bool is_gone(slot_index slot) const noexcept;
    bool is_silent(slot_index slot) const noexcept;
    bool needs_no_leave_of(slot_index slot) const noexcept;
    std::uint64_t unchanged_since_ballot_ns(slot_index slot) const noexcept;
    std::uint64_t take_ns(slot_index slot) const noexcept;
    const format::quorum_block* highest_ballot_seen() const noexcept;

    // lease_vote.cpp: votes. Safety rests on it.
    void extend_vote();
    std::uint64_t vote_end_under(slot_index holder) const noexcept;
    void order_vote();
    format::vote_state wanted_vote();
    bool is_decided_against() const noexcept;
    bool may_have_vote_outside(const ring_id& ring) const noexcept;

    // lease_policy.cpp: who asks for a grant, and when. Liveness only.
    void choose();
    void choose_as_holder();
    void choose_after_holding();
    void choose_without_holder();
    bool is_live(slot_index slot) const noexcept;
    std::vector<partition> live_partitions() const;
    bool is_settled() const noexcept;
    bool is_outbid() const noexcept;
    const format::quorum_block* incumbent() const noexcept;
    unsigned rank_in(const partition& mine) const noexcept;
    std::uint64_t turn_ns(unsigned rank) const noexcept;

    lease_options options_;
    std::uint64_t interval_ns_, drop_ns_, take_ns_, settle_ns_, margin_ns_, answer_ns_, poll_ns_;
    std::uint64_t now_ns_ = 0;
    lease_actions actions_;

    // I/O and our own block.
    phase phase_ = phase::watching;
    format::quorum_state state_ = format::quorum_state::starting;
    std::vector<volume_state> volumes_;
    std::vector<neighbour> neighbours_;
    own_blocks own_;
    format::quorum_block block_;
    echoes published_echoes_;
    std::uint64_t chain_ns_ = 0;  // when the newest confirmed block was made; 0: none
    std::uint64_t next_block_ns_ = 0;
    bool has_news_ = false;  // a block is due at once
    std::uint64_t started_ns_ = 0;
    std::uint64_t quarantine_end_ns_ = 0;
    std::uint64_t stop_sequence_ = 0;
    unsigned strange_blocks_ = 0;  // of another incarnation that go on, in our slot

    // Corosync.
    ring_id ring_;
    slot_set ring_members_;
    ring_id last_ring_;
    std::uint64_t ring_since_ns_ = 0;
    std::uint64_t answer_by_ns_ = 0;     // undecided until then
    std::uint64_t epoch_at_change_ = 0;  // the highest grant known when the ring changed

    // The ballot and the grant.
    format::ballot joined_;
    ring_id joined_ring_;
    std::uint64_t accepted_ = 0;
    std::uint64_t highest_number_ = 0;  // of all ballots ever seen
    format::grant_state granting_ = format::grant_state::none;
    format::grant value_;
    std::uint64_t renewal_ = 0;
    std::uint64_t granted_at_ns_ = 0;
    std::uint64_t ballot_sequence_ = 0;      // of the first block that shows our ballot
    std::uint64_t acceptance_sequence_ = 0;  // of the first that shows its value
    std::uint64_t exempting_epoch_ = 0;      // see needs_no_leave_of; 0: none
    ring_id successor_;

    // The vote.
    vote_order vote_;
    std::uint64_t vote_epoch_ = 0;
    std::uint64_t vote_end_ns_ = 0;        // of the right to vote in ring_
    std::uint64_t refused_below_ = 0;      // no vote under lower epochs: promised, or given up
    ring_id standing_ring_;                // where a vote of ours may stand
    std::uint64_t standing_end_ns_ = 0;    // until then; 0: nowhere
    bool former_life_may_vote_ = true;     // until the first answer of Corosync
    std::uint64_t patience_since_ns_ = 0;  // asked to give up a vote that nothing renews

    // Policy.
    std::uint64_t retry_ns_ = 0;
    std::uint64_t free_since_ns_ = 0;    // no grant in force since
    std::uint64_t better_since_ns_ = 0;  // another partition is better since
    std::uint64_t outbid_since_ns_ = 0;  // a member cannot vote under our grant since
    std::uint64_t revoked_at_ns_ = 0;
    std::uint32_t score_ = 0;
    format::heuristics_result heuristics_ = format::heuristics_result::off;
};

}  // namespace diskhb::quorum
