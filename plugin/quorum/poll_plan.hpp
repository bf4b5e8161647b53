// SPDX-License-Identifier: BSD-3-Clause
// What to poll votequorum with, and when: the orders of the lease, and what is right when no order
// comes. A pure state machine, step(input, now) -> actions. One thread.
//
// A vote is polled only while the clock is before its end, and withdrawn at its end by whoever
// steps here, without the lease. A poll must name the present ring, and another one than
// votequorum's is refused (exec/votequorum.c): then nothing has changed there. A no for the present
// ring is right at any time.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

struct poll_plan_options {
    std::uint64_t interval_ns = 0;  // between two polls: half of quorum.device.timeout
    std::uint64_t retry_ns = 0;     // after a poll that was refused
    std::uint64_t answer_ns = 0;    // how long a ring may be without a yes or no of the lease
};

struct poll_request {
    ring_id ring;
    bool cast_vote = false;
    // Of the order that wants it; nothing: no order does, this is a withdrawal.
    std::optional<std::uint64_t> generation;
    bool operator==(const poll_request&) const = default;
};

// Votequorum has a new membership.
struct ring_was_seen {
    ring_id ring;
};
// A poll was made and has been answered. issued_ns: before the call.
struct poll_was_answered {
    poll_request request;
    std::uint64_t issued_ns = 0;
    bool was_accepted = false;
};
using poll_input = std::variant<time_has_passed, vote_order, ring_was_seen, poll_was_answered>;

struct poll_actions {
    std::optional<poll_request>
        poll;                   // to be made now; it is asked for again until it was answered
    std::uint64_t wake_ns = 0;  // step again then at the latest
};

class poll_plan {
  public:
    explicit poll_plan(const poll_plan_options& options) : options_(options) {}

    // `now_ns` is of the clock of the orders and never goes back.
    poll_actions step(const poll_input& input, std::uint64_t now_ns);

    // The last one, which names the ring that a poll must name; unknown before the first.
    const ring_id& ring() const noexcept { return ring_; }

  private:
    // What votequorum was told last, and whether it took it.
    struct past_poll {
        poll_request request;
        std::uint64_t issued_ns = 0;
        bool was_accepted = false;
        std::uint64_t answered_ns = 0;
    };

    void take(const time_has_passed&, std::uint64_t) {}
    void take(const vote_order& order, std::uint64_t) { order_ = order; }
    void take(const ring_was_seen& seen, std::uint64_t now_ns);
    void take(const poll_was_answered& answer, std::uint64_t now_ns);
    std::optional<poll_request> wanted(std::uint64_t now_ns) const;
    std::uint64_t due_ns(const poll_request& request) const;
    std::uint64_t next_change_ns(std::uint64_t now_ns) const;

    poll_plan_options options_;
    vote_order order_;
    ring_id ring_;
    std::uint64_t ring_since_ns_ = 0;
    std::optional<past_poll> last_;
};

}  // namespace diskhb::quorum
