// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/own_blocks.hpp"

#include <algorithm>

#include "format/assert.hpp"

namespace diskhb::quorum {

own_blocks::record& own_blocks::add(std::uint64_t sequence, std::uint64_t now_ns) {
    DISKHB_ASSERT(records_.empty() || sequence == records_.back().sequence + 1);
    record& added = records_.emplace_back(record{sequence, now_ns, {}});
    if (!spare_.empty()) {
        added.heard = std::move(spare_.back());
        spare_.pop_back();
    }
    return added;
}

bool own_blocks::confirm(unsigned volume, std::uint64_t sequence) {
    on_volume_[volume] = std::max(on_volume_[volume], sequence);
    const std::uint64_t reached = reached_by_majority(std::span(on_volume_).first(volumes_));
    if (reached <= confirmed_) {
        return false;
    }
    confirmed_ = reached;
    return true;
}

const own_blocks::record* own_blocks::find(std::uint64_t sequence) const noexcept {
    if (records_.empty() || sequence < records_.front().sequence ||
        sequence > records_.back().sequence) {
        return nullptr;
    }
    return &records_[sequence - records_.front().sequence];
}

void own_blocks::forget_before(std::uint64_t time_ns) noexcept {
    while (records_.size() > 1 && records_.front().made_ns < time_ns) {
        spare_.push_back(std::move(records_.front().heard));
        records_.pop_front();
    }
}

}  // namespace diskhb::quorum
