// SPDX-License-Identifier: BSD-3-Clause
// Which partition shall have the vote: more nodes, then the higher score, then the tie-breaker.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "format/quorum_block.hpp"

namespace diskhb::quorum {

using format::ring_id;
using format::slot_index;
using format::slot_set;

// A live node and what it says of itself.
struct candidate {
    slot_index slot = 0;
    ring_id ring;
    std::uint32_t score = 0;
};

struct tie_breaker {
    enum class rule { lowest, highest, list };
    rule by = rule::lowest;
    // For `list`: the partition with the first of these that is alive. What it does not decide is
    // decided as by `lowest`.
    std::vector<slot_index> list;
};

struct partition {
    ring_id ring;
    slot_set nodes;
    std::uint64_t score = 0;  // the sum
    slot_index leader = 0;    // its lowest slot: the one that ballots for it
};

// The nodes of one ring each, in no particular order. Nodes without a ring are left out.
std::vector<partition> partitions_of(std::span<const candidate> live);

// Nothing if there is no partition. The same input gives the same answer on every node.
std::optional<partition> best_partition(std::span<const partition> all, const tie_breaker& ties);

}  // namespace diskhb::quorum
