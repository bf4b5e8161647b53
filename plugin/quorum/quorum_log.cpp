// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_log.hpp"

#include <fmt/format.h>

#include "plugin/quorum/quorum_status.hpp"

namespace diskhb::quorum {

namespace {

using format::grant_state;
using format::vote_state;

std::string ring_words(const ring_id& ring) {
    return ring.known() ? "ring " + ring_text(ring) : std::string("no ring");
}

std::string node_words(const slot_set& members) {
    const auto nodes = nodes_of(members);
    return fmt::format("{} {}", nodes.size() == 1 ? "node" : "nodes", fmt::join(nodes, ", "));
}

// Who has the grant, for whom.
std::string grant_words(const lease& state, std::uint64_t now_ns) {
    const auto holder = state.holder(now_ns);
    if (!holder) {
        return "nobody holds a grant";
    }
    const bool is_ours = *holder + 1U == state.block().node_id;
    const auto* const block = is_ours ? &state.block() : state.seen(*holder).newest();
    if (block == nullptr || block->granting != grant_state::granted) {
        return fmt::format("node {} holds the grant", *holder + 1U);
    }
    return fmt::format("{} the grant for {} ({}), epoch {}",
                       is_ours ? "we hold" : fmt::format("node {} holds", *holder + 1U),
                       ring_words(block->value.ring), node_words(block->value.members),
                       block->value.epoch);
}

std::string why_no_vote(const lease& state, std::uint64_t now_ns) {
    if (!state.vote().ring.known()) {
        return "Corosync is in no ring";
    }
    if (state.state() == format::quorum_state::stopped) {
        return "stopping";
    }
    if (!state.is_ready(now_ns)) {
        return "our blocks do not reach a majority of the volumes in time";
    }
    const auto holder = state.holder(now_ns);
    const auto* const block = holder ? state.seen(*holder).newest() : nullptr;
    if (block != nullptr && *holder + 1U != state.block().node_id &&
        block->value.ring == state.vote().ring) {
        return fmt::format("no renewal of the grant of node {} was seen in time", *holder + 1U);
    }
    return grant_words(state, now_ns);
}

std::string withdrawn_words(const lease& state, std::uint64_t now_ns) {
    const vote_order& order = state.vote();
    return order.vote == vote_state::undecided
               ? fmt::format("vote withdrawn: the ring has changed to {}, not decided yet",
                             ring_words(order.ring))
               : fmt::format("vote withdrawn in {}: {}", ring_words(order.ring),
                             why_no_vote(state, now_ns));
}

}  // namespace

log_line describe(lease_event event, const lease& state, std::uint64_t now_ns) {
    const vote_order& order = state.vote();
    switch (event) {
        case lease_event::joined_table:
            return {false, fmt::format("nobody else writes to our slot: joining, as {}",
                                       state.state() == format::quorum_state::starting
                                           ? "a node that ended without good-bye: no ballot before "
                                             "its former vote is forgotten"
                                           : "a node that had left in good order")};
        case lease_event::ballot_started:
            return {false, fmt::format("asking for the grant for {}", ring_words(order.ring))};
        case lease_event::ballot_lost:
            return {false,
                    "ballot given up: another is higher, the ring has changed, or our "
                    "blocks were too late"};
        case lease_event::grant_obtained:
            return {false, fmt::format("grant obtained for {}, ballot {}", ring_words(order.ring),
                                       state.block().joined.number)};
        case lease_event::grant_lost:
            return {true, "grant lost: our blocks did not reach a majority of the volumes in time"};
        case lease_event::grant_revoked:
            return {false, "grant given back"};
        case lease_event::vote_cast:
            return {false, fmt::format("voting yes in {}: {}", ring_words(order.ring),
                                       grant_words(state, now_ns))};
        case lease_event::vote_withdrawn:
            return {order.vote == vote_state::no, withdrawn_words(state, now_ns)};
        case lease_event::said_no_in_time:
            return {true, fmt::format("not decided before the end of Corosync's sync phase, voting "
                                      "no in {}: {}",
                                      ring_words(order.ring), why_no_vote(state, now_ns))};
    }
    return {true, "unknown event"};
}

std::string summary(const lease& state, std::uint64_t now_ns) {
    const vote_order& order = state.vote();
    switch (order.vote) {
        case vote_state::yes:
            return fmt::format("voting yes in {}; {}", ring_words(order.ring),
                               grant_words(state, now_ns));
        case vote_state::undecided:
            return fmt::format("deciding about {}", ring_words(order.ring));
        case vote_state::no:
            break;
    }
    return fmt::format("no vote: {}", why_no_vote(state, now_ns));
}

}  // namespace diskhb::quorum
