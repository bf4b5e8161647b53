// SPDX-License-Identifier: BSD-3-Clause
#include "replication/slot_copier.hpp"

#include <algorithm>

#include "engine/clock.hpp"
#include "format/assert.hpp"
#include "ring/sequence.hpp"

namespace diskhb::replication {

using engine::never_ns;
using format::block_stamp;
using ring::before;

namespace {

// Tags of requests: pieces have their index.
constexpr std::uint64_t table_tag = 1ULL << 32;
// A torn block is read again after this long, then after twice as long and so on.
constexpr std::uint64_t torn_pause_ns = 50'000;

std::size_t piece_count(const copier_setup& setup) noexcept {
    const std::uint64_t memory_bytes = std::min(setup.memory_bytes_max, setup.measures.ring_bytes);
    return static_cast<std::size_t>(std::max<std::uint64_t>(1, memory_bytes / setup.piece_bytes));
}

bool is_same_life_and_newer(const block_stamp& left, const block_stamp& right) noexcept {
    return left.incarnation == right.incarnation && before(right.sequence, left.sequence);
}

}  // namespace

slot_copier::slot_copier(const copier_setup& setup)
    : setup_(setup),
      pieces_(piece_count(setup), setup.piece_bytes, setup.measures.ring_bytes),
      rate_(setup.rate_bytes_per_s,
            std::max<std::uint64_t>(setup.piece_bytes, setup.rate_bytes_per_s / 50)),
      poll_(setup.poll) {
    DISKHB_ASSERT(setup.slot < setup.measures.slots && setup.piece_bytes > 0);
    DISKHB_ASSERT(setup.piece_bytes % setup.measures.block_bytes == 0);
    for (table_copy* each : {&read_, &latest_, &goal_, &announcing_, &probe_}) {
        each->bytes = std::make_unique<io::aligned_buffer>(setup.measures.block_bytes);
    }
}

copier_state slot_copier::state() const noexcept {
    if (source_failed_ || target_failed_) {
        return copier_state::failed;
    }
    if (is_refused_) {
        return copier_state::refused;
    }
    return is_proven_ ? copier_state::copying : copier_state::proving;
}

bool slot_copier::busy(copy_side side) const noexcept {
    return side == copy_side::source ? reading_source_ || pieces_.reading() > 0
                                     : reading_target_ || is_announcing_ || pieces_.writing() > 0;
}

void slot_copier::restart(std::uint64_t now_ns) {
    DISKHB_ASSERT(!busy());
    ++counts_.restarts;
    is_proven_ = false;
    is_refused_ = false;
    source_failed_ = false;
    target_failed_ = false;
    rejected_ = {};
    torn_in_row_ = 0;
    next_poll_ns_ = now_ns;
    pieces_.begin_at(0);
    for (table_copy* each : {&read_, &latest_, &goal_, &announcing_}) {
        each->header = {};
    }
    announced_ = {};
    oldest_clock_ns_ = 0;
    has_probe_ = false;
    source_before_probe_ = {};
    odd_probe_.clear();
}

std::uint64_t slot_copier::request_copy(std::uint64_t now_ns) noexcept {
    next_poll_ns_ = std::min(next_poll_ns_, now_ns);
    return reads_begun_ + 1;
}

std::uint64_t slot_copier::behind_ns(std::uint64_t now_ns) const noexcept {
    return oldest_clock_ns_ == 0 || oldest_clock_ns_ > now_ns ? 0 : now_ns - oldest_clock_ns_;
}

std::size_t slot_copier::memory_bytes() const noexcept {
    return pieces_.memory_bytes() + 5 * std::size_t{setup_.measures.block_bytes};
}

// Completions ---------------------------------------------------------------------------------

void slot_copier::on_completion(copy_side side, const io::completion& done, std::uint64_t now_ns) {
    if (done.error != 0) {
        (side == copy_side::source ? source_failed_ : target_failed_) = true;
    }
    const bool is_table = done.tag == table_tag;
    if (side == copy_side::source) {
        if (!is_table) {
            pieces_.on_read(static_cast<std::size_t>(done.tag), reads_begun_ + 1);
            return;
        }
        reading_source_ = false;
        if (done.error == 0) {
            on_source_table(now_ns);
        }
    } else if (!is_table) {
        pieces_.on_written(static_cast<std::size_t>(done.tag));
    } else if (reading_target_) {
        reading_target_ = false;
        has_probe_ = done.error == 0;
        next_poll_ns_ = now_ns;
    } else {
        is_announcing_ = false;
        if (done.error == 0) {
            on_announced(now_ns);
        }
    }
}

void slot_copier::on_source_table(std::uint64_t now_ns) {
    ++counts_.table_reads;
    const auto seen =
        format::decode_table(read_.bytes->span(), setup_.measures, setup_.cluster, setup_.slot);
    if (!seen) {
        on_rejected(seen.error(), now_ns);
        return;
    }
    rejected_ = {};
    torn_in_row_ = 0;
    if (!is_proven_) {
        prove(*seen);
    }
    if (is_proven_) {
        take_table(*seen, now_ns);
    }
    next_poll_ns_ = poll_.next_ns(poll_due_ns_, now_ns);
}

void slot_copier::on_rejected(const boost::system::error_code& error, std::uint64_t now_ns) {
    rejected_ = error;
    const std::uint64_t usual_ns = poll_.next_ns(poll_due_ns_, now_ns);
    if (error != errc::torn) {
        ++counts_.rejected_reads;
        // Nothing was ever written: all of it is there.
        settled_ = error == errc::empty_block ? reads_begun_ : settled_;
        next_poll_ns_ = usual_ns;
        return;
    }
    // Most likely it is being written.
    ++counts_.torn_reads;
    const std::uint64_t pause_ns = torn_pause_ns << std::min(torn_in_row_, 16U);
    next_poll_ns_ = now_ns + std::min(pause_ns, setup_.poll.idle_ns);
    ++torn_in_row_;
}

// Proving -------------------------------------------------------------------------------------

// The source read after the target was probed. A target that is the source itself, by whatever
// name, shows at least what the source showed before. So one that is older is another device; and
// one that is newer gets our slot's blocks from somebody else, which must be found out before
// anything is written there.
void slot_copier::prove(const format::table_view& seen) {
    const block_stamp before_probe = source_before_probe_;
    const block_stamp now{seen.incarnation, seen.sequence};
    source_before_probe_ = now;
    if (!has_probe_ || before_probe.incarnation == 0) {
        return;
    }
    has_probe_ = false;
    const auto found =
        format::decode_table(probe_.bytes->span(), setup_.measures, setup_.cluster, setup_.slot);
    if (found) {
        const block_stamp stamp{found->incarnation, found->sequence};
        const bool is_other_life =
            stamp.incarnation != now.incarnation && before_probe.incarnation == now.incarnation;
        is_proven_ = is_other_life || is_same_life_and_newer(before_probe, stamp);
        is_refused_ = is_refused_ || is_same_life_and_newer(stamp, before_probe);
        settled_ = stamp == now ? reads_begun_ : settled_;
    } else if (found.error() == errc::torn) {
        judge_torn_probe(before_probe, now);
    } else {
        is_proven_ = true;  // the source was intact before and after
    }
    is_refused_ = is_refused_ && !is_proven_;
}

// Torn for good, by a copier that was killed, or being written just now under the source's name?
// The source's own block cannot be intact, torn, and the same intact one again; and one that stays
// the same while the source's changes is not the source's either.
void slot_copier::judge_torn_probe(const block_stamp& before_probe, const block_stamp& now) {
    const auto bytes = probe_.bytes->span();
    if (before_probe == now) {
        is_proven_ = true;
    } else if (std::ranges::equal(bytes, odd_probe_)) {
        is_proven_ = before_probe != source_at_odd_probe_;
    } else {
        odd_probe_.assign(bytes.begin(), bytes.end());
        source_at_odd_probe_ = now;
    }
}

// Following the source ------------------------------------------------------------------------

void slot_copier::take_table(const format::table_view& seen, std::uint64_t now_ns) {
    const block_stamp stamp{seen.incarnation, seen.sequence};
    if (latest_.header.incarnation != seen.incarnation) {
        begin_life(seen);
    } else if (before(seen.sequence, latest_.header.sequence)) {
        ++counts_.stale_reads;
        return;
    }
    const bool is_new = stamp != latest_.stamp();
    const bool brings_frames = seen.head != latest_.header.head || seen.inline_count != 0;
    if (is_new) {
        adopt(seen);
        if (brings_frames) {
            poll_.on_activity(now_ns);
        }
    }
    latest_.read_index = reads_begun_;
    check_pieces();
    jump_if_overtaken();
    if (stamp == announced_.stamp) {
        settled_ = reads_begun_;
    }
    choose_goal();
}

void slot_copier::adopt(const format::table_view& seen) {
    std::swap(latest_.bytes, read_.bytes);
    latest_.header = seen;
    latest_.next_clock_ns = 0;
    for (table_copy* earlier : {&goal_, &announcing_}) {
        if (earlier->next_clock_ns == 0) {
            earlier->next_clock_ns = seen.clock_ns;
        }
    }
    oldest_clock_ns_ = oldest_clock_ns_ == 0 ? seen.clock_ns : oldest_clock_ns_;
}

void slot_copier::begin_life(const format::table_view& seen) {
    ++counts_.lives;
    pieces_.begin_at(seen.tail);
    latest_.header = {};
    goal_.header = {};
    oldest_clock_ns_ = 0;
}

// The newest block says from where on nothing has been overwritten. What was read for the goal
// stays of use together; what was read ahead of it can be read again.
void slot_copier::check_pieces() {
    const std::uint64_t spare_to =
        goal_.exists() ? goal_.header.head : pieces_.read_to() + setup_.measures.ring_bytes;
    pieces_.check(latest_.header.tail, reads_begun_, spare_to);
}

void slot_copier::jump_if_overtaken() {
    const std::uint64_t tail = latest_.header.tail;
    if (!before(pieces_.read_to(), tail)) {
        return;
    }
    // A goal of which everything was read in time can still be reached.
    const bool goal_is_safe = goal_.exists() && !before(goal_.header.tail, pieces_.held_from()) &&
                              pieces_.is_checked_to(goal_.header.head);
    if (!goal_is_safe) {
        ++counts_.laps;
        pieces_.begin_at(tail);
    }
}

void slot_copier::choose_goal() noexcept {
    const bool can_be_reached = goal_.exists() && !before(goal_.header.tail, pieces_.held_from());
    if (can_be_reached || !latest_.exists()) {
        return;
    }
    goal_.header = {};
    if (latest_.stamp() != announced_.stamp) {
        goal_.header = latest_.header;
        goal_.read_index = latest_.read_index;
        goal_.next_clock_ns = 0;
        std::ranges::copy(latest_.bytes->span(), goal_.bytes->span().begin());
    }
}

bool slot_copier::is_held(const table_copy& wanted) const noexcept {
    return wanted.exists() && wanted.stamp() != announced_.stamp &&
           wanted.header.incarnation == latest_.header.incarnation &&
           !before(wanted.header.tail, pieces_.held_from()) &&
           !before(pieces_.held_to(), wanted.header.head);
}

// How far may be written: all that the goal announces; beyond that only what overwrites nothing
// that the target announces now.
std::uint64_t slot_copier::write_limit() const noexcept {
    std::uint64_t limit = pieces_.held_to();
    if (goal_.exists()) {
        limit = goal_.header.head;
    }
    if (announced_.stamp.incarnation == latest_.header.incarnation) {
        const std::uint64_t lap_end = announced_.tail + setup_.measures.ring_bytes;
        limit = before(limit, lap_end) ? lap_end : limit;
    }
    return limit;
}

// Deciding ------------------------------------------------------------------------------------

std::uint64_t slot_copier::step(std::uint64_t now_ns, std::vector<copy_action>& actions) {
    if (source_failed_ || target_failed_) {
        return never_ns;
    }
    std::uint64_t next_ns = never_ns;
    if (is_proven_) {
        read_pieces(actions);
        next_ns = write_pieces(now_ns, actions);
        announce(now_ns, actions);
        if (!rejected_ && pieces_.wants_check()) {
            next_poll_ns_ = std::min(next_poll_ns_, now_ns);
        }
    } else if (!has_probe_ && source_before_probe_.incarnation != 0) {
        if (reading_target_ || next_poll_ns_ > now_ns) {
            return reading_target_ ? never_ns : next_poll_ns_;
        }
        reading_target_ = true;
        emit(copy_side::target, io::operation::read, table_offset(), probe_.bytes->span(),
             table_tag, actions);
        return never_ns;
    }
    if (!reading_source_) {
        if (next_poll_ns_ <= now_ns) {
            read_source_table(now_ns, actions);
        } else {
            next_ns = std::min(next_ns, next_poll_ns_);
        }
    }
    return next_ns;
}

void slot_copier::read_source_table(std::uint64_t now_ns, std::vector<copy_action>& actions) {
    reading_source_ = true;
    ++reads_begun_;
    poll_due_ns_ = now_ns;
    emit(copy_side::source, io::operation::read, table_offset(), read_.bytes->span(), table_tag,
         actions);
}

void slot_copier::read_pieces(std::vector<copy_action>& actions) {
    if (!latest_.exists() || before(pieces_.read_to(), latest_.header.tail)) {
        return;
    }
    while (pieces_.reading() < setup_.reads_most) {
        // No piece goes beyond the goal, so that the goal can be reached without more than it asks.
        const bool reaches_goal = goal_.exists() && before(pieces_.read_to(), goal_.header.head);
        const auto piece =
            pieces_.begin_read(reaches_goal ? goal_.header.head : latest_.header.head);
        if (!piece) {
            return;
        }
        counts_.ring_bytes_read += piece->bytes.size();
        emit(copy_side::source, io::operation::read,
             setup_.measures.ring_offset(setup_.slot, piece->position), piece->bytes, piece->index,
             actions);
    }
}

std::uint64_t slot_copier::write_pieces(std::uint64_t now_ns, std::vector<copy_action>& actions) {
    while (pieces_.writing() < setup_.writes_most) {
        const auto piece = pieces_.next_write(write_limit());
        if (!piece) {
            break;
        }
        if (!rate_.is_ready(now_ns)) {
            return rate_.ready_ns();
        }
        if (!pieces_.begin_write(piece->index)) {
            continue;
        }
        rate_.take(piece->bytes.size(), now_ns);
        ++counts_.ring_writes;
        counts_.ring_bytes_written += piece->bytes.size();
        emit(copy_side::target, io::operation::write,
             setup_.measures.ring_offset(setup_.slot, piece->position), piece->bytes, piece->index,
             actions);
    }
    return never_ns;
}

void slot_copier::announce(std::uint64_t now_ns, std::vector<copy_action>& actions) {
    choose_goal();
    const table_copy* const chosen = is_held(latest_) ? &latest_
                                     : is_held(goal_) ? &goal_
                                                      : nullptr;
    if (is_announcing_ || chosen == nullptr) {
        return;
    }
    std::ranges::copy(chosen->bytes->span(), announcing_.bytes->span().begin());
    announcing_.header = chosen->header;
    announcing_.read_index = chosen->read_index;
    announcing_.next_clock_ns = chosen->next_clock_ns;
    is_announcing_ = true;
    rate_.take(setup_.measures.block_bytes, now_ns);
    emit(copy_side::target, io::operation::write, table_offset(), announcing_.bytes->span(),
         table_tag, actions);
}

void slot_copier::on_announced(std::uint64_t now_ns) {
    ++counts_.blocks_announced;
    has_announced_ = true;
    announced_ = {announcing_.stamp(), announcing_.header.tail};
    announced_ns_ = now_ns;
    settled_ = std::max(settled_, announcing_.read_index);
    if (announcing_.stamp() == latest_.stamp()) {
        settled_ = std::max(settled_, latest_.read_index);
    }
    if (announcing_.header.incarnation == latest_.header.incarnation) {
        last_lag_ns_ = behind_ns(now_ns);
        oldest_clock_ns_ = announcing_.next_clock_ns;
    }
    if (announcing_.header.incarnation == goal_.header.incarnation &&
        !before(announcing_.header.sequence, goal_.header.sequence)) {
        goal_.header = {};
    }
    jump_if_overtaken();
    choose_goal();
    next_poll_ns_ = std::min(next_poll_ns_, now_ns);  // it is not known how much came meanwhile
}

void slot_copier::emit(copy_side side, io::operation what, std::uint64_t offset,
                       std::span<std::byte> buffer, std::uint64_t tag,
                       std::vector<copy_action>& actions) {
    const auto is_within = [&](std::uint64_t begin, std::uint64_t bytes) {
        return offset >= begin && offset + buffer.size() <= begin + bytes;
    };
    DISKHB_ASSERT(is_within(table_offset(), setup_.measures.block_bytes) ||
                  is_within(setup_.measures.ring_offset(setup_.slot), setup_.measures.ring_bytes));
    actions.push_back({side, {what, offset, buffer, tag}});
}

}  // namespace diskhb::replication
