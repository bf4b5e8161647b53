// SPDX-License-Identifier: BSD-3-Clause
// The lease's inputs, its blocks, and its I/O. What it decides is in lease_ballot.cpp,
// lease_vote.cpp and lease_policy.cpp.
#include "plugin/quorum/lease.hpp"

#include <algorithm>

#include "format/assert.hpp"

namespace diskhb::quorum {

using format::grant_state;
using format::quorum_state;
using format::vote_state;

namespace {

std::uint64_t in_ns(milliseconds duration) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
}

// Our slot shows another writer when its blocks go on, not when a device first gives back old ones
// of our former life and then newer ones.
constexpr unsigned strange_blocks_max = 3;

}  // namespace

const char* name_of(lease_event event) noexcept {
    switch (event) {
        case lease_event::joined_table:
            return "joined_table";
        case lease_event::ballot_started:
            return "ballot_started";
        case lease_event::ballot_lost:
            return "ballot_lost";
        case lease_event::grant_obtained:
            return "grant_obtained";
        case lease_event::grant_lost:
            return "grant_lost";
        case lease_event::grant_revoked:
            return "grant_revoked";
        case lease_event::vote_cast:
            return "vote_cast";
        case lease_event::vote_withdrawn:
            return "vote_withdrawn";
        case lease_event::said_no_in_time:
            return "said_no_in_time";
    }
    return "unknown";
}

lease::lease(const lease_options& options)
    : options_(options),
      interval_ns_(in_ns(options.times.interval)),
      drop_ns_(in_ns(options.times.drop)),
      take_ns_(in_ns(options.times.take)),
      settle_ns_(in_ns(options.times.settle)),
      margin_ns_(in_ns(options.times.margin)),
      answer_ns_(in_ns(options.times.answer)),
      poll_ns_(in_ns(options.times.device_timeout + options.times.margin)),
      volumes_(options.volumes),
      neighbours_(options.slots),
      own_(options.volumes),
      published_echoes_(options.slots),
      score_(options.score) {
    DISKHB_ASSERT(options.volumes % 2 == 1 && options.volumes <= volumes_max);
    DISKHB_ASSERT(options.slot < options.slots && options.slots <= format::slots_max);
    DISKHB_ASSERT(options.incarnation != 0 && check(options.times).safe());
    block_.node_id = options.slot + 1U;
    block_.incarnation = options.incarnation;
    block_.linger_ms = static_cast<std::uint32_t>(linger(options.times).count());
}

const lease_actions& lease::step(const lease_input& input, std::uint64_t now_ns) {
    now_ns_ = std::max(now_ns_, now_ns);
    if (started_ns_ == 0) {
        started_ns_ = now_ns_;
        quarantine_end_ns_ = now_ns_ + take_ns_;
    }
    actions_.writes.clear();
    actions_.reads.clear();
    actions_.events.clear();
    // First of all: what time has ended may not be prolonged by what comes too late.
    lapse();
    std::visit([this](const auto& each) { handle(each); }, input);
    if (phase_ == phase::watching) {
        watch();
    }
    if (phase_ == phase::taking_part || phase_ == phase::stopping) {
        if (state_ == quorum_state::starting && now_ns_ >= quarantine_end_ns_) {
            state_ = quorum_state::running;
            has_news_ = true;
        }
        join();
        advance_ballot();
        choose();
        extend_vote();
        order_vote();
        finish();
        publish();
    }
    drive_volumes();
    actions_.wake_ns = wake_time();
    return actions_;
}

void lease::handle(const volume_was_read& done) {
    volume_state& volume = volumes_[done.volume];
    volume.busy = false;
    volume.next_read_ns = now_ns_ + (is_hot() ? interval_ns_ / 10 : interval_ns_ / 2);
    if (done.table.empty()) {
        return;
    }
    DISKHB_ASSERT(done.table.size() == options_.slots);
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        const sighting& shown = done.table[slot];
        const bool is_news = neighbours_[slot].show(done.volume, shown, done.issued_ns, now_ns_);
        if (!is_news) {
            continue;
        }
        const format::quorum_block& block = *neighbours_[slot].newest();
        highest_number_ = std::max({highest_number_, block.joined.number, block.value.epoch});
        for (slot_index other = 0; other < options_.slots && slot != options_.slot; ++other) {
            if (other != slot && other != options_.slot) {
                neighbours_[other].hear_of(block.echoes[other], now_ns_);
            }
        }
    }
    read_own_slot(done);
}

void lease::read_own_slot(const volume_was_read& done) {
    volume_state& volume = volumes_[done.volume];
    const sighting& shown = done.table[options_.slot];
    const bool is_intact = shown.what == sighting::kind::intact;
    if (is_intact && shown.stamp.incarnation == options_.incarnation) {
        if (own_.confirm(done.volume, shown.stamp.sequence)) {
            const own_blocks::record* const confirmed = own_.confirmed();
            chain_ns_ = confirmed != nullptr ? confirmed->made_ns : chain_ns_;
        }
        if (volume.ballot_known_ns == 0 && shown.stamp.sequence >= ballot_sequence_) {
            // Two that ballot at once must not both miss the other's block, which a read may do for
            // as long as the volume gives back old data.
            volume.ballot_known_ns = now_ns_ + margin_ns_;
        }
        // What was reported as written may have got lost.
        volume.written = std::min(volume.written, shown.stamp.sequence);
        return;
    }
    volume.written = 0;
    if (!is_intact) {
        return;
    }
    const bool goes_on = shown.stamp.incarnation == volume.stranger.incarnation &&
                         shown.stamp.sequence > volume.stranger.sequence;
    strange_blocks_ += goes_on ? 1 : 0;
    volume.stranger = {shown.stamp.incarnation, shown.stamp.sequence};
    if (strange_blocks_ >= strange_blocks_max && phase_ != phase::thrown_out) {
        phase_ = phase::thrown_out;
        granting_ = grant_state::none;
        vote_.vote = vote_state::no;
        ++vote_.generation;
        actions_.slot_is_taken = true;
    }
}

void lease::handle(const volume_was_written& done) {
    volume_state& volume = volumes_[done.volume];
    volume.busy = false;
    if (done.succeeded) {
        volume.written = volume.writing;
        volume.next_read_ns = 0;
    } else {
        volume.next_write_ns = now_ns_ + interval_ns_ / 2;
    }
}

void lease::handle(const ring_has_changed& change) {
    const bool is_ours = change.ring.known() && change.members.test(options_.slot);
    const ring_id ring = is_ours ? change.ring : ring_id{};
    if (ring == ring_) {
        return;
    }
    if (ring_.known()) {
        // votequorum refuses polls for the former ring from now on, and counts no vote of before
        // until the sync phase is over.
        former_life_may_vote_ = false;
    }
    standing_end_ns_ = 0;
    last_ring_ = ring_;
    ring_ = ring;
    ring_members_ = is_ours ? change.members : slot_set{};
    ring_since_ns_ = now_ns_;
    answer_by_ns_ = change.is_waiting ? now_ns_ + answer_ns_ : 0;
    epoch_at_change_ = granting_ == grant_state::granted ? value_.epoch : 0;
    for (const neighbour& each : neighbours_) {
        if (each.newest() != nullptr && each.newest()->granting == grant_state::granted) {
            epoch_at_change_ = std::max(epoch_at_change_, each.newest()->value.epoch);
        }
    }
    vote_end_ns_ = 0;
    vote_epoch_ = 0;
    patience_since_ns_ = 0;
    if (granting_ == grant_state::granted) {
        drop_grant(ring_.known() ? grant_state::revoked : grant_state::none,
                   lease_event::grant_revoked);
    } else if (granting_ != grant_state::none) {
        drop_grant(grant_state::none, lease_event::ballot_lost);
    }
    has_news_ = true;
}

void lease::handle(const poll_was_accepted& answer) {
    if (answer.generation != vote_.generation) {
        return;
    }
    former_life_may_vote_ = false;
    if (vote_.vote == vote_state::no) {
        standing_end_ns_ = 0;
    }
}

void lease::handle(const score_has_changed& change) {
    has_news_ = has_news_ || score_ != change.score || heuristics_ != change.heuristics;
    score_ = change.score;
    heuristics_ = change.heuristics;
}

void lease::handle(const stop_was_asked&) {
    if (phase_ == phase::watching) {
        phase_ = phase::stopped;
        actions_.has_stopped = true;
    } else if (phase_ == phase::taking_part) {
        phase_ = phase::stopping;
        vote_end_ns_ = 0;
        if (granting_ == grant_state::granted) {
            drop_grant(grant_state::revoked, lease_event::grant_revoked);
            successor_ = ring_;
        } else if (granting_ != grant_state::none) {
            drop_grant(grant_state::none, lease_event::ballot_lost);
        }
    }
}

// Before the first write: whose is our slot?
void lease::watch() {
    const neighbour& own = neighbours_[options_.slot];
    std::array<std::uint64_t, volumes_max> quiet_ns{};
    std::array<std::uint64_t, volumes_max> is_known{};
    std::array<std::uint64_t, volumes_max> is_newest{};
    for (unsigned volume = 0; volume < options_.volumes; ++volume) {
        const sighting& shown = own.shown(volume);
        is_known[volume] = own.was_shown(volume) ? 1 : 0;
        is_newest[volume] =
            own.was_shown(volume) &&
                    (own.newest() == nullptr || (shown.what == sighting::kind::intact &&
                                                 shown.stamp.sequence == own.newest()->sequence))
                ? 1
                : 0;
        quiet_ns[volume] = own.unchanged_ns(volume);
    }
    const auto majority = [this](const auto& values) {
        return reached_by_majority(std::span(values).first(options_.volumes));
    };
    if (majority(is_known) == 0) {
        return;
    }
    if (own.has_left() && majority(is_newest) != 0) {
        take_part(true);
    } else if (majority(quiet_ns) >= own.sighted_ns() + drop_ns_) {
        take_part(false);
    }
}

void lease::take_part(bool was_clean) {
    phase_ = phase::taking_part;
    state_ = was_clean ? quorum_state::running : quorum_state::starting;
    if (const format::quorum_block* const former = neighbours_[options_.slot].newest()) {
        std::copy_n(former->echoes.begin(), published_echoes_.size(), published_echoes_.begin());
    }
    has_news_ = true;
    say(lease_event::joined_table);
}

// Says good-bye when no vote of ours can stand any more.
void lease::finish() {
    if (phase_ != phase::stopping) {
        return;
    }
    if (state_ != quorum_state::stopped && !may_have_vote_outside({})) {
        state_ = quorum_state::stopped;
        stop_sequence_ = block_.sequence + 1;
        has_news_ = true;
    }
    if (state_ == quorum_state::stopped && own_.confirmed_sequence() >= stop_sequence_) {
        phase_ = phase::stopped;
        actions_.has_stopped = true;
    }
}

void lease::publish() {
    const bool is_due = has_news_ || now_ns_ >= next_block_ns_;
    const bool any_idle = std::any_of(volumes_.begin(), volumes_.end(),
                                      [](const volume_state& each) { return !each.busy; });
    if (!is_due || !any_idle || phase_ == phase::stopped) {
        return;
    }
    // What a holder has heard becomes an answer only when the block of that time is known to be on
    // a majority of the volumes: then a challenger can have seen it, too.
    if (const own_blocks::record* const confirmed = own_.confirmed()) {
        published_echoes_ = confirmed->heard;
    }
    renewal_ += granting_ == grant_state::granted ? 1 : 0;
    block_.state = state_;
    ++block_.sequence;
    block_.ready = is_ready(now_ns_);
    block_.score = score_;
    block_.heuristics = heuristics_;
    block_.ring = ring_;
    block_.ring_members = ring_members_;
    block_.joined = joined_;
    block_.accepted = accepted_;
    block_.granting = granting_;
    block_.value = value_;
    block_.renewal = renewal_;
    block_.successor = successor_;
    block_.vote = vote_.vote;
    block_.vote_epoch = vote_.vote == vote_state::yes ? vote_epoch_ : 0;
    block_.clock_ns = now_ns_;
    block_.granted_at_ns = granted_at_ns_;
    std::copy(published_echoes_.begin(), published_echoes_.end(), block_.echoes.begin());

    own_.forget_before(now_ns_ - std::min(now_ns_, 2 * drop_ns_));
    own_blocks::record& record = own_.add(block_.sequence, now_ns_);
    record.heard.assign(options_.slots, {});
    for (slot_index slot = 0; slot < options_.slots; ++slot) {
        record.heard[slot] = neighbours_[slot].heard();
    }
    has_news_ = false;
    next_block_ns_ = now_ns_ + interval_ns_;
}

void lease::drive_volumes() {
    if (phase_ == phase::stopped || phase_ == phase::thrown_out) {
        return;
    }
    for (unsigned index = 0; index < volumes_.size(); ++index) {
        volume_state& volume = volumes_[index];
        if (volume.busy) {
            continue;
        }
        // After a write its read-back, whatever else there is to write: no vote without it.
        if (volume.next_read_ns != 0 && volume.written < block_.sequence &&
            now_ns_ >= volume.next_write_ns) {
            volume.busy = true;
            volume.writing = block_.sequence;
            actions_.writes.push_back(index);
        } else if (now_ns_ >= volume.next_read_ns) {
            volume.busy = true;
            actions_.reads.push_back(index);
        }
    }
}

std::uint64_t lease::wake_time() const noexcept {
    std::uint64_t wake_ns = now_ns_ + interval_ns_;
    const auto not_after = [&](std::uint64_t time_ns) {
        if (time_ns > now_ns_) {
            wake_ns = std::min(wake_ns, time_ns);
        }
    };
    bool any_idle = false;
    for (const volume_state& volume : volumes_) {
        if (!volume.busy) {
            any_idle = true;
            not_after(volume.next_read_ns);
            not_after(volume.next_write_ns);
        }
    }
    if (any_idle) {
        not_after(next_block_ns_);
    }
    not_after(vote_end_ns_);
    not_after(answer_by_ns_);
    not_after(quarantine_end_ns_);
    not_after(standing_end_ns_);
    not_after(chain_end_ns());
    return wake_ns;
}

// Whether others wait for what we read.
bool lease::is_hot() const noexcept {
    if (phase_ == phase::watching || vote_.vote == vote_state::undecided ||
        (granting_ != grant_state::none && granting_ != grant_state::granted) ||
        now_ns_ < ring_since_ns_ + settle_ns_) {
        return true;
    }
    return std::any_of(neighbours_.begin(), neighbours_.end(), [this](const neighbour& each) {
        const format::quorum_block* const block = each.newest();
        return block != nullptr && now_ns_ < each.sighted_ns() + drop_ns_ &&
               (block->granting == grant_state::claimed ||
                block->granting == grant_state::accepted ||
                (block->granting == grant_state::revoked && block->state != quorum_state::stopped));
    });
}

std::uint64_t lease::chain_end_ns() const noexcept {
    return chain_ns_ == 0 ? 0 : chain_ns_ + drop_ns_;
}

}  // namespace diskhb::quorum
