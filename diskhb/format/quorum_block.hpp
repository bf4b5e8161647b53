// SPDX-License-Identifier: BSD-3-Clause
// A node's block in the quorum table: the ballot it has joined, the grant it claims or holds, the
// ring that its Corosync is in, and what it has read of every other node (doc/format.md, "Quorum
// table"; doc/quorum.md says what it is for). Pure; any thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "format/envelope.hpp"

namespace diskhb::format {

// Part of the format on disk: do not change the values of these enumerations.
enum class quorum_state : std::uint16_t {
    starting = 1,  // just started: takes no part in ballots until its former life is forgotten
    running = 2,
    stopped = 3,  // said good-bye: has no vote and no grant
};
enum class heuristics_result : std::uint16_t { off = 0, passed = 1, failed = 2 };
enum class grant_state : std::uint16_t {
    none = 0,
    claimed = 1,   // phase 1 of the ballot: asks the others to join
    accepted = 2,  // phase 2: all have joined or are out; the value is on its way
    granted = 3,   // in force, and renewed with every block
    revoked = 4,   // given back by its holder
};
enum class vote_state : std::uint16_t { no = 0, yes = 1, undecided = 2 };

// Slots as a set; bit 0 of the first word is slot 0.
struct slot_set {
    std::array<std::uint64_t, 2> words{};

    bool test(slot_index slot) const noexcept {
        return slot < slots_max && ((words[slot / 64] >> (slot % 64)) & 1) != 0;
    }
    // REQUIRES: slot < slots_max.
    void set(slot_index slot) noexcept { words[slot / 64] |= std::uint64_t{1} << (slot % 64); }
    unsigned count() const noexcept {
        return static_cast<unsigned>(std::popcount(words[0]) + std::popcount(words[1]));
    }
    // Whether all of it is below `slots`.
    bool fits(std::uint16_t slots) const noexcept;
    bool operator==(const slot_set&) const = default;
};

// Corosync's name of a membership; all zero: none.
struct ring_id {
    std::uint32_t node_id = 0;
    std::uint64_t sequence = 0;
    bool known() const noexcept { return *this != ring_id{}; }
    bool operator==(const ring_id&) const = default;
};

// The number of a ballot: rounds x slots_max + the slot that drew it, so no two slots draw the
// same; with the incarnation, no two lives of one slot do.
struct ballot {
    std::uint64_t number = 0;
    std::uint64_t incarnation = 0;
    bool operator==(const ballot&) const = default;
};
constexpr slot_index ballot_slot(std::uint64_t number) noexcept {
    return static_cast<slot_index>(number % slots_max);
}
// The lowest number of that slot above `above`.
constexpr std::uint64_t next_ballot(std::uint64_t above, slot_index slot) noexcept {
    return (above / slots_max + 1) * slots_max + slot;
}

// Which device the writer wrote to, as its host knows it, so that a copy kept by replication is not
// taken for it: within one domain equal values are one device, and other values are others. Domain
// 0: unknown. Values of two domains say nothing of each other.
struct device_identity {
    std::uint64_t domain = 0;
    std::uint64_t value = 0;
    bool is_other_than(const device_identity& other) const noexcept {
        return domain != 0 && domain == other.domain && value != other.value;
    }
    bool operator==(const device_identity&) const = default;
};

// What a ballot decides about. The holder is the node whose block it stands in.
struct grant {
    std::uint64_t epoch = 0;  // the number of the ballot that made it
    ring_id ring;             // whose members may vote
    slot_set members;
    bool operator==(const grant&) const = default;
};

// The newest block of a node that another one has read. All zero: nothing yet.
struct quorum_echo {
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;
    bool operator==(const quorum_echo&) const = default;
};
inline constexpr std::size_t quorum_echo_bytes = 16;

// Offsets in the block: 96 node_id u32, 100 state u16, 102 echo count u16, 104 score u32,
// 108 heuristics u16, 110 grant state u16, 112 ring node u32, 116 vote u16, 118 ready u16,
// 120 ring sequence u64, 128 ring members 16, 144 joined number u64, 152 joined incarnation u64,
// 160 accepted u64, 168 grant epoch u64, 176 grant holder u32, 180 grant ring node u32,
// 184 grant ring sequence u64, 192 grant members 16, 208 renewal u64, 216 successor ring node u32,
// 220 linger_ms u32, 224 successor ring sequence u64, 232 vote epoch u64, 240 clock_ns u64,
// 248 granted_at_ns u64, 256 device domain u64, 264 device value u64, 272 reserved 16 (zero),
// 288 echoes (one a slot), then zeros.
inline constexpr std::size_t quorum_fixed_bytes = 288;

struct quorum_block {
    std::uint32_t node_id = 0;  // the Corosync node id, slot + 1
    quorum_state state = quorum_state::starting;
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;  // grows with each block of this incarnation
    bool ready = false;          // its own blocks reach a majority of the volumes in time
    std::uint32_t score = 0;
    heuristics_result heuristics = heuristics_result::off;
    ring_id ring;  // of its Corosync, now
    slot_set ring_members;
    ballot joined;               // Disk Paxos' mbal: the highest ballot that it takes part in
    std::uint64_t accepted = 0;  // Disk Paxos' bal: the last ballot for which it wrote a value
    grant_state granting = grant_state::none;
    grant value;                // its own grant; all zero if granting is none
    std::uint64_t renewal = 0;  // counts the blocks in which that grant was in force
    ring_id successor;          // revoked: whose members shall have the next grant
    vote_state vote = vote_state::no;
    std::uint64_t vote_epoch = 0;     // the grant it votes under; 0 if none
    std::uint32_t linger_ms = 0;      // how long its vote may outlive the block that it rests on
    std::uint64_t clock_ns = 0;       // the writer's clock when it encoded this block, for people
    std::uint64_t granted_at_ns = 0;  // by the same clock: when its grant came into force
    device_identity device;           // what this block was written to; not the same on all volumes
    std::array<quorum_echo, slots_max> echoes{};  // one a slot; those above the volume's are zero
    bool operator==(const quorum_block&) const = default;
};

// Writes and seals one whole block. REQUIRES: fields as decode_quorum wants them.
void encode_quorum(std::span<std::byte> block, const geometry& measures, const uuid& cluster,
                   const quorum_block& content) noexcept;

// Unseals, checks identity for that slot, then every field (malformed): node_id == slot + 1,
// incarnation and sequence not 0, echo count, enumerations, sets within the slots, no grant without
// an epoch drawn by this slot, a grant in force accepted and joined, none else with an epoch.
result<quorum_block> decode_quorum(std::span<const std::byte> block, const geometry& measures,
                                   const uuid& cluster, slot_index slot) noexcept;

}  // namespace diskhb::format
