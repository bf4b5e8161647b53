// SPDX-License-Identifier: BSD-3-Clause
#include "engine/flusher.hpp"

#include <algorithm>
#include <array>

#include "format/assert.hpp"
#include "format/batch.hpp"

namespace diskhb::engine {

flusher::flusher(const flusher_setup& setup, send_queue& queue, acknowledgement_board& board,
                 ring::beat_log& beats, ring::counters& counts, const clock& time,
                 send_observer& observer)
    : setup_(setup),
      slot_(static_cast<format::slot_index>(setup.node_id - 1)),
      queue_(&queue),
      board_(&board),
      beats_(&beats),
      counts_(&counts),
      time_(&time),
      observer_(&observer),
      log_(setup.measures, setup.batch_bytes, setup.start),
      next_sequence_(setup.start.sequence),
      inline_area_(format::inline_capacity_bytes(setup.measures)),
      acks_(setup.measures.slots),
      table_(setup.measures.block_bytes),
      padding_(setup.measures.block_bytes),
      batch_(setup.batch_bytes) {
    DISKHB_ASSERT(setup.node_id >= 1 && setup.node_id <= setup.measures.slots);
}

void flusher::follow(std::uint64_t incarnation) noexcept {
    if (incarnation == incarnation_) {
        return;
    }
    incarnation_ = 0;
    if (incarnation != 0 && in_flight_ == 0) {
        join(incarnation);
    }
}

void flusher::join(std::uint64_t incarnation) noexcept {
    incarnation_ = incarnation;
    log_ = ring::send_log(setup_.measures, setup_.batch_bytes, setup_.start);
    next_sequence_ = setup_.start.sequence;
    inline_bytes_ = 0;
    inline_count_ = 0;
    beat_ = 0;
    last_write_ns_ = 0;
    destinations_.reset();
    beats_->begin(incarnation);
    published_next_.store(next_sequence_, std::memory_order_relaxed);
}

void flusher::attach(io::channel& channel, std::shared_ptr<waker> own_waker) noexcept {
    DISKHB_ASSERT(in_flight_ == 0);
    channel_ = &channel;
    waker_ = std::move(own_waker);
    lost_ = false;
    log_.forget(next_sequence_);
    inline_bytes_ = 0;
    inline_count_ = 0;
    last_write_ns_ = 0;
}

void flusher::detach() noexcept {
    queue_->arm(send_queue::wake_when::never, nullptr);
    channel_ = nullptr;
    waker_.reset();
    phase_ = phase::idle;
}

std::uint64_t flusher::step(std::uint64_t now_ns) noexcept {
    if (channel_ == nullptr) {
        return never_ns;
    }
    if (reap(now_ns)) {
        return now_ns;  // with a fresh clock: a blocking channel may have taken its time
    }
    if (in_flight_ > 0 || lost_ || farewell_done_ || incarnation_ == 0) {
        return never_ns;
    }
    const auto level = queue_->filled();
    const flush_input input{.queued_bytes = level.bytes,
                            .oldest_ns = level.oldest_ns,
                            .last_write_ns = last_write_ns_,
                            .after_write = just_written_,
                            .acknowledge_by_ns = board_->wanted_by_ns()};
    just_written_ = false;
    const auto decision = decide_flush(setup_.flush, input, now_ns);
    if (!decision.reason && !stopping_) {
        return sleep(now_ns, decision.sleep_until_ns, level.bytes);
    }
    if (decision.reason) {
        counts_->add(*decision.reason);
    }
    flush(now_ns, level.bytes);
    return now_ns;  // a blocking channel has done it already
}

std::uint64_t flusher::sleep(std::uint64_t now_ns, std::uint64_t until_ns,
                             std::size_t level_bytes) noexcept {
    const bool gather = !setup_.flush.when_idle && level_bytes > 0;
    const auto level = queue_->arm(
        gather ? send_queue::wake_when::filled : send_queue::wake_when::any_frame, waker_);
    if (level.bytes != level_bytes) {
        return now_ns;  // something came in between: decide anew
    }
    counts_->add(counter::flusher_sleeps);
    return until_ns;
}

bool flusher::reap(std::uint64_t now_ns) noexcept {
    if (in_flight_ == 0) {
        return false;
    }
    std::array<io::completion, 2> done;
    const std::size_t count = channel_->reap(done);
    for (std::size_t index = 0; index < count; ++index) {
        failed_ = failed_ || done[index].error != 0;
    }
    in_flight_ -= static_cast<unsigned>(count);
    if (in_flight_ > 0) {
        return false;
    }
    write_latency_.record(now_ns - submitted_ns_.load(std::memory_order_relaxed));
    submitted_ns_.store(0, std::memory_order_relaxed);
    just_written_ = true;
    if (failed_) {
        on_write_failed();
    } else if (incarnation_ == 0) {
        on_life_over();
    } else if (phase_ == phase::ring_write) {
        on_ring_written(now_ns);
    } else {
        on_table_written(now_ns);
    }
    return true;
}

// What the last write of a life brought can be read or not; nobody is to know any more.
void flusher::on_life_over() noexcept {
    phase_ = phase::idle;
    counts_->add(counter::dropped_not_joined, unwritten_frames_);
    unwritten_frames_ = 0;
}

void flusher::on_ring_written(std::uint64_t now_ns) noexcept {
    log_.commit(placed_, batch_length_bytes_, batch_first_sequence_, batch_frames_);
    inline_bytes_ = 0;
    inline_count_ = 0;
    write_table(now_ns);
}

void flusher::on_table_written(std::uint64_t now_ns) noexcept {
    phase_ = phase::idle;
    last_write_ns_ = now_ns;
    counts_->add(counter::frames_written, unwritten_frames_);
    unwritten_frames_ = 0;
    published_next_.store(next_sequence_, std::memory_order_relaxed);
    observer_->on_written(next_sequence_);
    farewell_done_ = farewell_in_flight_;
}

void flusher::on_write_failed() noexcept {
    phase_ = phase::idle;
    failed_ = false;
    lost_ = true;
    counts_->add(counter::write_errors);
    counts_->add(counter::dropped_io_error, unwritten_frames_);
    unwritten_frames_ = 0;
    observer_->on_written(next_sequence_);
}

void flusher::flush(std::uint64_t now_ns, std::size_t queued_bytes) noexcept {
    flush_begun_ns_ = now_ns;
    if (inline_bytes_ + queued_bytes <= inline_area_.size()) {
        flush_inline(now_ns);
    } else {
        flush_batch(now_ns);
    }
}

void flusher::flush_inline(std::uint64_t now_ns) noexcept {
    const std::uint32_t taken = drain(inline_area_, inline_bytes_, now_ns);
    inline_count_ += taken;
    write_table(now_ns);
}

void flusher::flush_batch(std::uint64_t now_ns) noexcept {
    const auto area = batch_.span().subspan(format::batch_header_bytes);
    batch_first_sequence_ = next_sequence_ - inline_count_;
    std::copy_n(inline_area_.begin(), inline_bytes_, area.begin());
    std::size_t bytes = inline_bytes_;
    const std::uint32_t taken = drain(area, bytes, now_ns);
    if (taken == 0) {
        write_table(now_ns);  // all that waited was too old
        return;
    }
    batch_frames_ = inline_count_ + taken;
    batch_length_bytes_ = format::batch_length_bytes(setup_.measures, bytes);
    placed_ = log_.place(batch_length_bytes_);
    phase_ = phase::ring_write;
    format::batch_identity identity{setup_.cluster, slot_, incarnation_, placed_.position};
    const auto sealed = format::seal_batch(batch_.span(), setup_.measures, identity,
                                           batch_first_sequence_, batch_frames_, bytes);
    if (placed_.padding_bytes != 0) {
        identity.position = placed_.padding_position;
        format::seal_padding(padding_.span(), setup_.measures, identity, batch_first_sequence_);
        submit(setup_.measures.ring_offset(slot_, placed_.padding_position), padding_.span(),
               now_ns);
    }
    submit(setup_.measures.ring_offset(slot_, placed_.position), batch_.span().first(sealed.size()),
           now_ns);
    counts_->add(counter::ring_writes);
}

std::uint32_t flusher::drain(std::span<std::byte> area, std::size_t& offset,
                             std::uint64_t now_ns) noexcept {
    std::uint32_t taken = 0;
    const auto left = [this](const format::frame& one) {
        if (one.kind == format::frame_kind::message) {
            observer_->on_message_left(one.destination);
        }
    };
    queue_->drain(
        area, offset, now_ns - std::min(now_ns, setup_.ttl_ns),
        [&](const format::frame& one) {
            ++taken;
            if (one.destination == format::every_slot) {
                destinations_.set();
            } else if (one.destination < destinations_.size()) {
                destinations_.set(one.destination);
            }
            left(one);
        },
        [&](const format::frame& one) {
            counts_->add(counter::dropped_expired_send);
            left(one);
        });
    next_sequence_ += taken;
    unwritten_frames_ += taken;
    return taken;
}

void flusher::write_table(std::uint64_t now_ns) noexcept {
    board_->take(acks_);
    format::table_header header;
    header.node_id = setup_.node_id;
    header.state = stopping_ ? format::node_state::stopped : format::node_state::running;
    header.incarnation = incarnation_;
    header.sequence = ++beat_;
    // After the acknowledgements were taken, and the frames: this thread may have been held up
    // since the step took its time, and a reader counts from the beat that is echoed.
    header.clock_ns = time_->now_ns();
    header.tail = log_.tail();
    header.tail_sequence = log_.tail_sequence();
    header.head = log_.head();
    header.head_sequence = next_sequence_ - inline_count_;
    format::encode_table(table_.span(), setup_.measures, setup_.cluster, header, acks_,
                         std::span(inline_area_).first(inline_bytes_), inline_count_);
    beats_->on_encoded(beat_, now_ns);
    if (destinations_.any()) {
        observer_->on_announced(next_sequence_, flush_begun_ns_, destinations_);
        destinations_.reset();
    }
    phase_ = phase::table_write;
    farewell_in_flight_ = stopping_;
    submit(setup_.measures.table_offset(slot_), table_.span(), now_ns);
    counts_->add(counter::table_writes);
}

void flusher::submit(std::uint64_t offset, std::span<std::byte> bytes,
                     std::uint64_t now_ns) noexcept {
    ++in_flight_;
    submitted_ns_.store(now_ns, std::memory_order_relaxed);
    counts_->add(counter::bytes_written, bytes.size());
    channel_->submit({.what = io::operation::write, .offset = offset, .buffer = bytes, .tag = 0});
}

std::uint64_t flusher::pending_ns(std::uint64_t now_ns) const noexcept {
    const std::uint64_t since_ns = submitted_ns_.load(std::memory_order_relaxed);
    return since_ns == 0 || since_ns > now_ns ? 0 : now_ns - since_ns;
}

std::size_t flusher::memory_bytes() const noexcept {
    return inline_area_.size() + table_.size() + padding_.size() + batch_.size();
}

}  // namespace diskhb::engine
