// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/partition.hpp"

#include <algorithm>

namespace diskhb::quorum {
namespace {

slot_index lowest(const slot_set& nodes) noexcept {
    for (slot_index slot = 0; slot < format::slots_max; ++slot) {
        if (nodes.test(slot)) {
            return slot;
        }
    }
    return format::slots_max;
}

slot_index highest(const slot_set& nodes) noexcept {
    for (slot_index slot = format::slots_max; slot > 0; --slot) {
        if (nodes.test(static_cast<slot_index>(slot - 1))) {
            return static_cast<slot_index>(slot - 1);
        }
    }
    return 0;
}

// Whether the tie-breaker prefers `left`. Partitions have no node in common, so one of two is.
bool wins_tie(const partition& left, const partition& right, const tie_breaker& ties) noexcept {
    if (ties.by == tie_breaker::rule::highest) {
        return highest(left.nodes) > highest(right.nodes);
    }
    if (ties.by == tie_breaker::rule::list) {
        for (const slot_index slot : ties.list) {
            if (left.nodes.test(slot) || right.nodes.test(slot)) {
                return left.nodes.test(slot);
            }
        }
    }
    return lowest(left.nodes) < lowest(right.nodes);
}

bool is_better(const partition& left, const partition& right, const tie_breaker& ties) noexcept {
    if (left.nodes.count() != right.nodes.count()) {
        return left.nodes.count() > right.nodes.count();
    }
    if (left.score != right.score) {
        return left.score > right.score;
    }
    return wins_tie(left, right, ties);
}

}  // namespace

std::vector<partition> partitions_of(std::span<const candidate> live) {
    std::vector<partition> all;
    for (const candidate& node : live) {
        if (!node.ring.known()) {
            continue;
        }
        auto found = std::find_if(all.begin(), all.end(),
                                  [&](const partition& each) { return each.ring == node.ring; });
        if (found == all.end()) {
            found = all.insert(all.end(), partition{node.ring, {}, 0, node.slot});
        }
        found->nodes.set(node.slot);
        found->score += node.score;
        found->leader = std::min(found->leader, node.slot);
    }
    return all;
}

std::optional<partition> best_partition(std::span<const partition> all, const tie_breaker& ties) {
    const auto best = std::max_element(all.begin(), all.end(),
                                       [&](const partition& left, const partition& right) {
                                           return is_better(right, left, ties);
                                       });
    return best == all.end() ? std::nullopt : std::optional(*best);
}

}  // namespace diskhb::quorum
