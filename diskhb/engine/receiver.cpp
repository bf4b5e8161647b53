// SPDX-License-Identifier: BSD-3-Clause
#include "engine/receiver.hpp"

#include <algorithm>
#include <array>

#include "engine/clock.hpp"
#include "format/assert.hpp"
#include "ring/sequence.hpp"

namespace diskhb::engine {
namespace {

constexpr std::uint64_t table_tag = UINT64_MAX;

// Frames that were read are acknowledged after this time at the latest, where the sender waits for
// it: short against any copy's lag, long enough for an answer to carry it.
constexpr std::uint64_t acknowledge_within_ns = 1'000'000;

format::slot_index slot_of(std::uint32_t node_id) noexcept {
    return static_cast<format::slot_index>(node_id - 1);
}

}  // namespace

receiver::peer_entry::peer_entry(const receiver_setup& setup, std::uint32_t id,
                                 ring::counters& counts)
    : slot(slot_of(id)),
      reader({setup.measures, setup.cluster, slot_of(setup.node_id), slot_of(id), setup.ttl_ns,
              setup.source, setup.peer_timeout_ns, setup.beats},
             counts),
      life(setup.peer_timeout_ns),
      deadline(setup.read_deadline_ns) {
    published.node_id = id;
}

receiver::receiver(const receiver_setup& setup, acknowledgement_board& board,
                   ring::counters& counts, receive_observer& observer)
    : setup_(setup),
      own_slot_(slot_of(setup.node_id)),
      first_slot_(setup.source == ring::block_source::copy ? format::slots_max : own_slot_),
      last_slot_(setup.source == ring::block_source::copy ? 0 : own_slot_),
      board_(&board),
      counts_(&counts),
      observer_(&observer),
      watch_(setup.peer_timeout_ns),
      poll_(setup.poll),
      table_(setup.measures.table_bytes()),
      ring_reads_(std::min<std::size_t>(ring_reads_most, setup.peers.size())) {
    for (const std::uint32_t id : setup.peers) {
        DISKHB_ASSERT(id >= 1 && id <= setup.measures.slots && id != setup.node_id);
        peers_.emplace_back(setup, id, counts);
        first_slot_ = std::min(first_slot_, slot_of(id));
        last_slot_ = std::max(last_slot_, slot_of(id));
    }
    DISKHB_ASSERT(first_slot_ <= last_slot_);
    for (auto& each : ring_reads_) {
        each.buffer = std::make_unique<io::aligned_buffer>(setup.read_bytes);
    }
}

void receiver::attach(io::channel& channel) noexcept {
    DISKHB_ASSERT(in_flight_ == 0);
    channel_ = &channel;
    lost_ = false;
    phase_ = phase::sleeping;
    next_poll_ns_ = 0;
    if (incarnation_.load(std::memory_order_relaxed) == 0) {
        watch_.reset();  // nobody watched the slot while the volume was away
    }
}

void receiver::joined_as(std::uint64_t incarnation) noexcept {
    incarnation_.store(incarnation, std::memory_order_relaxed);
    if (incarnation == 0 && setup_.source == ring::block_source::shared_volume) {
        watch_.reset();
    }
}

std::uint64_t receiver::step(std::uint64_t now_ns) noexcept {
    if (channel_ == nullptr) {
        return never_ns;
    }
    if (reap(now_ns)) {
        return now_ns;
    }
    if (in_flight_ > 0 || lost_) {
        return never_ns;
    }
    if (answer_expected_.exchange(false, std::memory_order_relaxed)) {
        poll_.on_activity(now_ns);
        next_poll_ns_ = std::min(next_poll_ns_, now_ns);
    }
    if (now_ns < next_poll_ns_) {
        sleeps_long_.store(poll_.is_idle(), std::memory_order_relaxed);
        return next_poll_ns_;
    }
    sleeps_long_.store(false, std::memory_order_relaxed);
    read_table(now_ns);
    return now_ns;
}

bool receiver::expect_answer() noexcept {
    if (peers_.empty()) {
        return false;
    }
    answer_expected_.store(true, std::memory_order_relaxed);
    return sleeps_long_.exchange(false, std::memory_order_relaxed);
}

void receiver::read_table(std::uint64_t now_ns) noexcept {
    times_.issued_ns = now_ns;
    // A thread always wakes a little late. Counting from when an idle read was due, not from when
    // it was issued, the idle load is what the settings say; after a stall nothing is made up for,
    // and a hot receiver always leaves the processor to others for its interval.
    const bool is_timely = poll_.is_idle() && now_ns - next_poll_ns_ < setup_.poll.idle_ns;
    poll_due_ns_ = is_timely ? next_poll_ns_ : now_ns;
    phase_ = phase::table_read;
    frames_came_ = false;
    counts_->add(counter::table_reads);
    const std::uint64_t begin = setup_.measures.table_offset(first_slot_);
    const std::uint64_t bytes =
        (std::uint64_t{last_slot_} - first_slot_ + 1) * setup_.measures.block_bytes;
    submit(begin, table_.span().first(bytes), table_tag, now_ns);
}

std::span<const std::byte> receiver::block_of(format::slot_index slot) const noexcept {
    const std::size_t block = setup_.measures.block_bytes;
    return table_.span().subspan((std::size_t{slot} - first_slot_) * block, block);
}

void receiver::submit(std::uint64_t offset, std::span<std::byte> into, std::uint64_t tag,
                      std::uint64_t now_ns) noexcept {
    ++in_flight_;
    if (submitted_ns_.load(std::memory_order_relaxed) == 0) {
        submitted_ns_.store(now_ns, std::memory_order_relaxed);
    }
    counts_->add(counter::bytes_read, into.size());
    channel_->submit({.what = io::operation::read, .offset = offset, .buffer = into, .tag = tag});
}

bool receiver::reap(std::uint64_t now_ns) noexcept {
    if (in_flight_ == 0) {
        return false;
    }
    std::array<io::completion, channel_depth> done;
    const std::size_t count = channel_->reap(done);
    for (std::size_t index = 0; index < count; ++index) {
        failed_ = failed_ || done[index].error != 0;
    }
    in_flight_ -= static_cast<unsigned>(count);
    if (in_flight_ > 0) {
        return false;
    }
    read_latency_.record(now_ns - submitted_ns_.load(std::memory_order_relaxed));
    submitted_ns_.store(0, std::memory_order_relaxed);
    if (failed_) {
        on_read_failed(now_ns);
    } else if (phase_ == phase::table_read) {
        times_.done_ns = now_ns;
        on_table(now_ns);
    } else {
        on_ring_reads(now_ns);
    }
    return true;
}

void receiver::on_read_failed(std::uint64_t now_ns) noexcept {
    failed_ = false;
    lost_ = true;
    phase_ = phase::sleeping;
    counts_->add(counter::read_errors);
    for (auto& each : peers_) {
        each.life.step(ring::observation::unreadable, now_ns);
        publish(each, now_ns);
    }
}

void receiver::on_table(std::uint64_t now_ns) noexcept {
    table_seen_ns_.store(now_ns, std::memory_order_relaxed);
    if (setup_.source == ring::block_source::shared_volume) {
        on_own_block(now_ns);
    }
    for (auto& each : peers_) {
        on_peer_block(each, now_ns);
    }
    step_deadlines(now_ns);
    if (!start_ring_reads(now_ns)) {
        finish_cycle(now_ns);
    }
}

void receiver::on_own_block(std::uint64_t now_ns) noexcept {
    const auto block = block_of(own_slot_);
    const auto stamp = format::peek_stamp(block);
    const std::uint64_t incarnation = incarnation_.load(std::memory_order_relaxed);
    if (incarnation != 0) {
        watch_.after_join(stamp, incarnation);
        return;
    }
    const auto content = format::decode_table(block, setup_.measures, setup_.cluster, own_slot_);
    const bool vacant = content ? content->state == format::node_state::stopped
                                : content.error() == errc::empty_block;
    watch_.before_join(stamp, vacant, now_ns);
}

void receiver::on_peer_block(peer_entry& of, std::uint64_t now_ns) noexcept {
    using news = ring::peer_reader::news;
    const news seen = of.reader.on_table(block_of(of.slot), times_);
    auto observed = ring::observation::nothing_new;
    if (seen == news::beat) {
        observed = ring::observation::beat;
    } else if (seen == news::farewell) {
        observed = ring::observation::farewell;
    }
    const auto state_before = of.life.state();
    of.life.step(observed, now_ns);
    if (seen == news::beat || seen == news::farewell || seen == news::first_sight) {
        on_echo(of, now_ns);
        observer_->on_peer_block(of.slot, of.reader.incarnation(),
                                 of.reader.acknowledgement_of_us());
    }
    if (seen != news::none || of.life.state() != state_before) {
        publish(of, now_ns);
    }
}

// What the peer's new block says of ours.
void receiver::on_echo(peer_entry& of, std::uint64_t now_ns) noexcept {
    const auto& ack = of.reader.acknowledgement_of_us();
    const std::uint64_t incarnation = incarnation_.load(std::memory_order_relaxed);
    const auto encoded_ns = setup_.beats == nullptr
                                ? std::nullopt
                                : setup_.beats->encoded_ns(ack.incarnation, ack.beat);
    const std::lock_guard guard(lock_);
    if (incarnation == 0 || ack.incarnation != incarnation) {
        of.echoed_beat = 0;
        of.deadline.restart();
        return;
    }
    if (ring::before(of.echoed_beat, ack.beat)) {
        of.echoed_beat = ack.beat;
        of.echo_ns = now_ns;
    }
    of.deadline.on_echo(ack.read_sequence, encoded_ns.value_or(0), now_ns);
}

void receiver::step_deadlines(std::uint64_t now_ns) noexcept {
    if (setup_.read_deadline_ns == 0) {
        return;
    }
    const std::lock_guard guard(lock_);
    for (auto& each : peers_) {
        each.deadline.step(now_ns);
    }
}

void receiver::on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                            const slot_set& destinations) noexcept {
    const std::lock_guard guard(lock_);
    for (auto& each : peers_) {
        const bool owes_us =
            each.published.acknowledges_us && each.published.state == peer_state::alive;
        if (owes_us && destinations.test(each.slot)) {
            each.deadline.on_written(end_sequence, begun_ns);
        }
    }
}

bool receiver::start_ring_reads(std::uint64_t now_ns) noexcept {
    ring_reads_used_ = 0;
    for (std::size_t turn = 0; turn < peers_.size(); ++turn) {
        peer_entry& of = peers_[(next_peer_ + turn) % peers_.size()];
        const auto wanted = of.reader.wanted(setup_.read_bytes);
        if (!wanted) {
            continue;
        }
        if (ring_reads_used_ == ring_reads_.size()) {
            next_peer_ = (next_peer_ + turn) % peers_.size();
            break;
        }
        ring_read& reading = ring_reads_[ring_reads_used_];
        reading.of = &of;
        reading.bytes = wanted->bytes;
        phase_ = phase::ring_reads;
        counts_->add(counter::ring_reads);
        submit(wanted->offset, reading.buffer->span().first(wanted->bytes), ring_reads_used_,
               now_ns);
        ++ring_reads_used_;
    }
    return ring_reads_used_ > 0;
}

void receiver::on_ring_reads(std::uint64_t now_ns) noexcept {
    for (unsigned index = 0; index < ring_reads_used_; ++index) {
        ring_read& reading = ring_reads_[index];
        const auto bytes = std::as_const(*reading.buffer).span().first(reading.bytes);
        const std::uint64_t before = reading.of->reader.next_sequence();
        reading.of->reader.on_ring(bytes, now_ns, *observer_);
        frames_came_ = frames_came_ || reading.of->reader.next_sequence() != before;
    }
    finish_cycle(now_ns);
}

// Everything of this table read was looked at: inline frames, acknowledgements, the next poll.
void receiver::finish_cycle(std::uint64_t now_ns) noexcept {
    phase_ = phase::sleeping;
    bool unread = false;
    bool owes_answer = false;
    for (auto& each : peers_) {
        const std::uint64_t before = each.reader.next_sequence();
        each.reader.on_inline(now_ns, *observer_);
        frames_came_ = frames_came_ || each.reader.next_sequence() != before;
        unread = unread || each.reader.wanted(setup_.read_bytes).has_value();
        board_->set(each.slot, {each.reader.incarnation(), each.reader.next_sequence(),
                                observer_->message_sequence_from(each.slot), each.reader.beat()});
        owes_answer = owes_answer || each.reader.frames_read() != each.frames_read;
        each.frames_read = each.reader.frames_read();
    }
    // Only frames are answered: a block that brings none but this answer asks for none itself.
    const bool is_measured =
        setup_.read_deadline_ns != 0 || setup_.source == ring::block_source::copy;
    if (owes_answer && is_measured) {
        board_->want_by(now_ns + acknowledge_within_ns);
    }
    if (frames_came_ || ring_reads_used_ > 0) {
        poll_.on_activity(now_ns);
    }
    ring_reads_used_ = 0;
    const std::uint64_t next_ns = poll_.next_ns(poll_due_ns_, now_ns);
    next_poll_ns_ = unread && frames_came_ ? now_ns : next_ns;
}

void receiver::publish(peer_entry& of, std::uint64_t now_ns) noexcept {
    const std::uint64_t incarnation = incarnation_.load(std::memory_order_relaxed);
    const std::lock_guard guard(lock_);
    of.published.state = of.life.state();
    of.published.incarnation = of.reader.incarnation();
    of.published.frames_read = of.reader.frames_read();
    of.published.frames_lost = of.reader.frames_lost();
    const auto& ack = of.reader.acknowledgement_of_us();
    of.published.acknowledges_us = incarnation != 0 && ack.incarnation == incarnation;
    of.read_of_ours = ack.read_sequence;
    of.heard_ns = of.life.heard_ns();
    if (of.published.state != peer_state::alive) {
        of.deadline.restart();  // what it has not read by now may be read late or never
    }
    of.deadline.step(now_ns);
}

peer_status receiver::status_of(const peer_entry& of, std::uint64_t now_ns,
                                std::uint64_t our_end) const {
    const std::uint64_t table_seen_ns = table_seen_ns_.load(std::memory_order_relaxed);
    const std::uint64_t unread_ns = now_ns - std::min(now_ns, table_seen_ns);
    const auto since = [&](std::uint64_t at_ns) {
        return at_ns == 0 ? 0 : now_ns - std::min(now_ns, at_ns);
    };
    const auto duration = [](std::uint64_t value) { return std::chrono::nanoseconds(value); };
    peer_status copy = of.published;
    copy.state = ring::state_unread(copy.state, unread_ns, setup_.peer_timeout_ns);
    if (copy.acknowledges_us && ring::before(of.read_of_ours, our_end)) {
        copy.unread_by_peer = our_end - of.read_of_ours;
    }
    copy.heard_ago = duration(since(of.heard_ns));
    copy.hears_us = copy.state == peer_state::alive && copy.acknowledges_us &&
                    since(of.echo_ns) < setup_.peer_timeout_ns;
    if (copy.state == peer_state::alive && of.deadline.is_late(now_ns)) {
        copy.state = peer_state::late;
    }
    copy.lag_p50 = duration(of.deadline.lag().percentile_ns(0.5));
    copy.lag_p99 = duration(of.deadline.lag().percentile_ns(0.99));
    copy.lag_most = duration(of.deadline.lag_most_ns());
    copy.deadline_breaches = of.deadline.breaches(now_ns);
    copy.deadline_bursts = of.deadline.bursts(now_ns);
    return copy;
}

std::vector<peer_status> receiver::peers(std::uint64_t now_ns, std::uint64_t our_end) const {
    std::vector<peer_status> copies;
    copies.reserve(peers_.size());  // before the lock, which the flusher's thread needs too
    const std::lock_guard guard(lock_);
    for (const auto& each : peers_) {
        copies.push_back(status_of(each, now_ns, our_end));
    }
    return copies;
}

std::uint64_t receiver::pending_ns(std::uint64_t now_ns) const noexcept {
    const std::uint64_t since_ns = submitted_ns_.load(std::memory_order_relaxed);
    return since_ns == 0 || since_ns > now_ns ? 0 : now_ns - since_ns;
}

std::size_t receiver::memory_bytes() const noexcept {
    return table_.size() + ring_reads_.size() * setup_.read_bytes;
}

}  // namespace diskhb::engine
