// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/neighbour.hpp"

#include <algorithm>

namespace diskhb::quorum {

bool neighbour::show(unsigned volume, const sighting& shown, std::uint64_t issued_ns,
                     std::uint64_t completed_ns) {
    display& at = displays_[volume];
    // Any change counts as a sign of life, an older block as well: to take a dead node for a living
    // one costs time, the opposite a second vote.
    const bool has_changed = !at.known || !at.last.same_as(shown);
    if (!has_changed) {
        at.unchanged_ns = issued_ns;
        ++at.repeats;
    } else {
        at.known = true;
        at.last = shown;
        at.last.block = nullptr;
        at.unchanged_ns = 0;
        at.repeats = 0;
        sighted_ns_ = completed_ns;
    }
    if (shown.what != sighting::kind::intact) {
        return false;
    }
    const bool news = is_news(*shown.block);
    if (news) {
        newest_ = *shown.block;
        newest_base_ns_ = at.intact_ns;
        // Written after the hint, not left over from before on a volume that we did not see.
        const bool goes_on = at.intact_ns != 0 && at.intact_ns >= other_life_ns_;
        if (goes_on || other_life_ == shown.block->incarnation) {
            other_life_ = 0;
        }
    } else if (has_changed && newest_->incarnation != shown.block->incarnation) {
        hint_at(shown.block->incarnation, completed_ns);
    }
    at.intact_ns = issued_ns;
    return news;
}

// A new incarnation is believed when it goes on: an old copy of a former life stands still. A life
// that was taken for ended by mistake goes on, too.
bool neighbour::is_news(const format::quorum_block& block) {
    life& its = life_of(block.incarnation);
    const bool goes_on = its.shown != 0 && block.sequence > its.shown;
    its.shown = std::max(its.shown, block.sequence);
    if (!newest_) {
        return true;
    }
    return newest_->incarnation == block.incarnation ? block.sequence > newest_->sequence : goes_on;
}

neighbour::life& neighbour::life_of(std::uint64_t incarnation) {
    const auto found = std::find_if(lives_.begin(), lives_.end(), [&](const life& each) {
        return each.incarnation == incarnation;
    });
    if (found != lives_.end()) {
        return *found;
    }
    if (lives_.size() == lives_max) {
        lives_.erase(lives_.begin());
    }
    return lives_.emplace_back(life{incarnation, 0, 0});
}

void neighbour::hear_of(const format::quorum_echo& echo, std::uint64_t now_ns) {
    if (echo.incarnation == 0) {
        return;
    }
    life& its = life_of(echo.incarnation);
    if (echo.sequence > std::max(its.shown, its.heard)) {
        its.heard = echo.sequence;
        sighted_ns_ = now_ns;
        if (!newest_ || newest_->incarnation != echo.incarnation) {
            hint_at(echo.incarnation, now_ns);
        }
    }
}

void neighbour::hint_at(std::uint64_t incarnation, std::uint64_t now_ns) noexcept {
    other_life_ = incarnation;
    other_life_ns_ = now_ns;
}

bool neighbour::has_left() const noexcept {
    const bool said_so = newest_ && newest_->state == format::quorum_state::stopped;
    return other_life_ == 0 && (said_so || is_empty());
}

std::uint64_t neighbour::unchanged_ns(unsigned volume) const noexcept {
    const display& at = displays_[volume];
    return at.repeats >= repeats_min ? at.unchanged_ns : 0;
}

bool neighbour::is_empty() const noexcept {
    bool any = false;
    for (const display& at : displays_) {
        any = any || at.known;
        if (at.known && at.last.what != sighting::kind::empty) {
            return false;
        }
    }
    return any;
}

std::uint64_t reached_by_majority(std::span<const std::uint64_t> by_volume) noexcept {
    std::uint64_t highest = 0;
    for (const std::uint64_t value : by_volume) {
        const auto reached = std::count_if(by_volume.begin(), by_volume.end(),
                                           [&](std::uint64_t each) { return each >= value; });
        if (2 * static_cast<std::size_t>(reached) > by_volume.size()) {
            highest = std::max(highest, value);
        }
    }
    return highest;
}

}  // namespace diskhb::quorum
