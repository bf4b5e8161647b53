// SPDX-License-Identifier: BSD-3-Clause
#include "ring/peer_reader.hpp"

#include <algorithm>

#include "ring/sequence.hpp"

namespace diskhb::ring {
namespace {

errc kind_of(const boost::system::error_code& error) noexcept {
    return static_cast<errc>(error.value());
}

}  // namespace

peer_reader::news peer_reader::on_table(std::span<const std::byte> block,
                                        const read_times& when) noexcept {
    view_is_current_ = false;
    const auto stamp = format::peek_stamp(block);
    if (is_known(stamp)) {
        last_issued_ns_ = when.issued_ns;
        if (stamp.incarnation == view_.incarnation &&
            before(next_sequence_, view_.head_sequence + view_.inline_count)) {
            look_again_at_inline(block);
        }
        return news::none;
    }
    const auto seen =
        format::decode_table(block, setup_.measures, setup_.cluster, setup_.peer_slot);
    if (!seen) {
        // An empty slot is a node that never started: no news, not a fault to count on each poll.
        if (kind_of(seen.error()) == errc::empty_block && view_.incarnation == 0) {
            last_issued_ns_ = when.issued_ns;
            return news::none;
        }
        counts_->add_rejected(kind_of(seen.error()));
        return news::rejected;
    }
    return accept(*seen, when);
}

// Whether it is the block accepted last, or that of the newcomer.
bool peer_reader::is_known(const format::block_stamp& stamp) const noexcept {
    const auto is_of = [&](const format::table_header& header) {
        return header.incarnation != 0 && stamp.incarnation == header.incarnation &&
               stamp.sequence == header.sequence;
    };
    return is_of(view_) || is_of(newcomer_.header);
}

peer_reader::news peer_reader::stale() noexcept {
    counts_->add_rejected(errc::stale);
    return news::rejected;
}

peer_reader::news peer_reader::accept(const format::table_view& seen,
                                      const read_times& when) noexcept {
    if (seen.incarnation == view_.incarnation) {
        newcomer_ = {};  // it was none: the present life goes on
        return accept_beat(seen, when);
    }
    if (is_proven_newer(seen)) {
        follow(newcomer_of(seen, when), seen);
        return seen.state == format::node_state::running ? news::beat : news::farewell;
    }
    return is_former(seen.incarnation) ? stale() : accept_newcomer(seen, when);
}

// When we encoded the beat that the block echoes, at the latest as late as that; 0 if it echoes
// none of our present life.
std::uint64_t peer_reader::echoed_ns(const format::table_view& seen) const noexcept {
    if (setup_.beats == nullptr) {
        return 0;
    }
    const auto ack = format::acknowledgement_of(seen, setup_.own_slot);
    return setup_.beats->encoded_ns(ack.incarnation, ack.beat).value_or(0);
}

bool peer_reader::is_proven_newer(const format::table_view& seen) const noexcept {
    return setup_.source == block_source::copy && view_.incarnation != 0 &&
           echoed_ns(seen) > accepted_ns_;
}

peer_reader::newcomer peer_reader::newcomer_of(const format::table_view& seen,
                                               const read_times& when) const noexcept {
    return {seen, seen.head_sequence + seen.inline_count, last_issued_ns_, when.done_ns,
            echoed_ns(seen)};
}

// Starts to read a life with this very block.
void peer_reader::follow(const newcomer& first, const format::table_view& seen) noexcept {
    start_behind(first);
    ack_ = format::acknowledgement_of(seen, setup_.own_slot);
}

peer_reader::news peer_reader::accept_newcomer(const format::table_view& seen,
                                               const read_times& when) noexcept {
    if (seen.incarnation != newcomer_.header.incarnation) {
        newcomer_ = newcomer_of(seen, when);
        last_issued_ns_ = when.issued_ns;
        if (view_.incarnation != 0) {
            return news::none;
        }
        follow(newcomer_, seen);
        return news::first_sight;
    }
    if (!before(newcomer_.header.sequence, seen.sequence)) {
        return stale();
    }
    if (setup_.source == block_source::copy && when.done_ns - accepted_ns_ < setup_.silence_ns) {
        return stale();  // out of order, or soon proven to be the newer life
    }
    start_behind(newcomer_);
    return accept_beat(seen, when);
}

peer_reader::news peer_reader::accept_beat(const format::table_view& seen,
                                           const read_times& when) noexcept {
    if (!before(view_.sequence, seen.sequence) || before(seen.head, view_.head) ||
        before(seen.head_sequence, view_.head_sequence)) {
        return stale();
    }
    ack_ = format::acknowledgement_of(seen, setup_.own_slot);
    age_.advance(seen.clock_ns, last_issued_ns_, when.done_ns);
    age_.on_echo(echoed_ns(seen));
    accepted_ns_ = when.done_ns;
    last_issued_ns_ = when.issued_ns;
    view_ = seen;
    view_is_current_ = true;
    skip_to_tail_if_lapped();
    return seen.state == format::node_state::running ? news::beat : news::farewell;
}

// The inline frames wait behind batches that were not all read when this block was new.
void peer_reader::look_again_at_inline(std::span<const std::byte> block) noexcept {
    const auto seen =
        format::decode_table(block, setup_.measures, setup_.cluster, setup_.peer_slot);
    if (!seen) {
        counts_->add_rejected(kind_of(seen.error()));
    } else if (seen->sequence == view_.sequence && seen->incarnation == view_.incarnation) {
        view_ = *seen;
        view_is_current_ = true;
    }
}

void peer_reader::start_behind(const newcomer& first) noexcept {
    if (view_.incarnation != 0) {
        former_[former_next_] = view_.incarnation;
        former_next_ = (former_next_ + 1) % former_.size();
    }
    age_.restart(first.header.clock_ns, first.unseen_ns, first.seen_ns);
    age_.on_echo(first.echoed_ns);
    order_floor_ns_ = accepted_ns_;
    accepted_ns_ = first.seen_ns;
    view_ = {};
    static_cast<format::table_header&>(view_) = first.header;
    view_is_current_ = false;
    position_ = first.header.head;
    next_sequence_ = first.next_sequence;
    damaged_since_ns_.reset();
    newcomer_ = {};
}

bool peer_reader::is_former(std::uint64_t incarnation) const noexcept {
    return std::find(former_.begin(), former_.end(), incarnation) != former_.end();
}

void peer_reader::skip_to_tail_if_lapped() noexcept {
    if (!before(position_, view_.tail)) {
        return;
    }
    position_ = view_.tail;
    if (position_ == view_.head) {
        damaged_since_ns_.reset();  // otherwise only what can be read ends the damage
    }
    lose(counter::lost_lapped, view_.tail_sequence);
}

std::optional<peer_reader::wanted_read> peer_reader::wanted(
    std::uint32_t most_bytes) const noexcept {
    if (!before(position_, view_.head)) {
        return std::nullopt;
    }
    const std::uint64_t unread = view_.head - position_;
    const std::uint64_t to_end =
        setup_.measures.ring_bytes - (position_ & (setup_.measures.ring_bytes - 1));
    const std::uint64_t bytes = std::min({unread, to_end, std::uint64_t{most_bytes}});
    return wanted_read{setup_.measures.ring_offset(setup_.peer_slot, position_),
                       static_cast<std::uint32_t>(bytes)};
}

void peer_reader::on_ring(std::span<const std::byte> bytes, std::uint64_t now_ns,
                          frame_sink& sink) noexcept {
    std::size_t used = 0;
    while (used < bytes.size() && before(position_, view_.head)) {
        if (!take_batch(bytes.subspan(used), now_ns, sink, used)) {
            return;
        }
    }
}

// Whether the batch is within what the table block says. One whose write failed may lie here, from
// before another was written at the same position.
bool peer_reader::is_announced(const format::batch_view& batch) const noexcept {
    return !before(view_.head, position_ + batch.advance_bytes) &&
           !before(view_.head_sequence, batch.first_sequence + batch.frame_count);
}

bool peer_reader::take_batch(std::span<const std::byte> bytes, std::uint64_t now_ns,
                             frame_sink& sink, std::size_t& used) noexcept {
    const format::batch_identity expected{setup_.cluster, setup_.peer_slot, view_.incarnation,
                                          position_};
    const auto batch = format::decode_batch(bytes, setup_.measures, expected);
    if (!batch) {
        const errc kind = kind_of(batch.error());
        // A batch that goes on behind the bytes of this read is read whole the next time.
        if (kind != errc::truncated || used == 0) {
            on_bad_batch(kind, now_ns);
        }
        return false;
    }
    if (!is_announced(*batch)) {
        on_bad_batch(errc::stale, now_ns);
        return false;
    }
    damaged_since_ns_.reset();
    if (before(next_sequence_, batch->first_sequence)) {
        lose(counter::lost_gap, batch->first_sequence);
    }
    take_frames(batch->frames, batch->first_sequence, now_ns, sink);
    position_ += batch->advance_bytes;
    used += batch->length_bytes;
    // A padding batch leaves the rest of the lap: nothing of this read lies behind it.
    return batch->advance_bytes == batch->length_bytes;
}

void peer_reader::on_bad_batch(errc kind, std::uint64_t now_ns) noexcept {
    counts_->add_rejected(kind);
    if (!damaged_since_ns_) {
        damaged_since_ns_ = now_ns;
    }
    // It may still be on its way (a copy that lags). After the TTL nothing in it is worth having.
    if (now_ns - *damaged_since_ns_ > setup_.ttl_ns) {
        position_ = view_.head;
        damaged_since_ns_.reset();
        lose(counter::lost_damaged, view_.head_sequence);
    }
}

void peer_reader::on_inline(std::uint64_t now_ns, frame_sink& sink) noexcept {
    if (!view_is_current_ || position_ != view_.head) {
        return;
    }
    if (before(next_sequence_, view_.head_sequence)) {
        lose(counter::lost_gap, view_.head_sequence);
    }
    take_frames(view_.inline_frames, view_.head_sequence, now_ns, sink);
}

void peer_reader::take_frames(std::span<const std::byte> area, std::uint64_t first_sequence,
                              std::uint64_t now_ns, frame_sink& sink) noexcept {
    format::frame_reader frames(area);
    for (std::uint64_t sequence = first_sequence; !frames.at_end(); ++sequence) {
        const auto found = frames.next();
        if (!found) {
            return;  // cannot be: the area was walked when its block was checked
        }
        if (before(sequence, next_sequence_)) {
            continue;
        }
        next_sequence_ = sequence + 1;
        if (found->destination != setup_.own_slot && found->destination != format::every_slot) {
            continue;
        }
        ++frames_read_;
        if (!is_deliverable(*found, now_ns)) {
            counts_->add(counter::dropped_expired_receive);
            continue;
        }
        sink.on_frame(setup_.peer_slot, *found);
    }
}

bool peer_reader::is_deliverable(const format::frame& one, std::uint64_t now_ns) const noexcept {
    if (age_.of(one.submitted_ns, now_ns) > setup_.ttl_ns) {
        return false;
    }
    return setup_.source == block_source::shared_volume ||
           age_.encoded_after_ns() > order_floor_ns_;
}

void peer_reader::lose(counter which, std::uint64_t up_to_sequence) noexcept {
    if (!before(next_sequence_, up_to_sequence)) {
        return;
    }
    const std::uint64_t lost = up_to_sequence - next_sequence_;
    counts_->add(which, lost);
    frames_lost_ += lost;
    next_sequence_ = up_to_sequence;
}

}  // namespace diskhb::ring
