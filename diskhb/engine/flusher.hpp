// SPDX-License-Identifier: BSD-3-Clause
// The flusher: takes frames from the send queue, writes them to the node's ring and table block,
// and tells when it wants to be called again (doc/engine.md, "The flusher"). It never waits; the
// thread that owns it does, or a simulator.
//
// Frames that fit go inline into the table block: one write. Otherwise a batch goes into the ring
// first, and only when that write has completed the table block announces it.
#pragma once

#include <atomic>
#include <bitset>
#include <memory>
#include <optional>
#include <vector>

#include "engine/acknowledgement_board.hpp"
#include "engine/clock.hpp"
#include "engine/flush_policy.hpp"
#include "engine/latency.hpp"
#include "engine/send_queue.hpp"
#include "format/table_block.hpp"
#include "io/block_device.hpp"
#include "ring/beat_log.hpp"
#include "ring/counters.hpp"
#include "ring/send_log.hpp"

namespace diskhb::engine {

// The slots that frames are for; all of them for a frame to every node.
using slot_set = std::bitset<format::slots_max>;

// Told what becomes of frames on their way out; called on the flusher's thread.
class send_observer {
  public:
    virtual ~send_observer() = default;
    // A piece of a message has left the queue, onto the volume or, too old, nowhere.
    virtual void on_message_left(format::slot_index destination) noexcept = 0;
    // A table block is about to be written that announces new frames for these slots, all before
    // end_sequence; the write of the first of them began at begun_ns.
    virtual void on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                              const slot_set& destinations) noexcept = 0;
    // A write with frames in it has completed: every sequence before this one is on the volume or
    // lost for good.
    virtual void on_written(std::uint64_t end_sequence) noexcept = 0;
};

struct flusher_setup {
    format::geometry measures;
    format::uuid cluster{};
    std::uint32_t node_id = 0;
    std::uint32_t batch_bytes = 0;  // whole blocks, at most a third of the ring
    std::uint64_t ttl_ns = 0;
    flush_settings flush;
    ring::log_start start;  // of every incarnation's log
};

class flusher {
  public:
    flusher(const flusher_setup& setup, send_queue& queue, acknowledgement_board& board,
            ring::beat_log& beats, ring::counters& counts, const clock& time,
            send_observer& observer);

    // The life to write in, 0 for none; to be told before each step. Another life ends at once: a
    // write in flight is waited for, nothing more is written. Then the new one begins.
    void follow(std::uint64_t incarnation) noexcept;
    // A channel to the volume, of a depth of at least 2, the first or after a loss. What was in the
    // ring is forgotten: the volume may not have kept it. Nothing may be in flight on an earlier
    // one; this one stays the caller's until detach().
    void attach(io::channel& channel, std::shared_ptr<waker> own_waker) noexcept;
    void detach() noexcept;

    // Reaps, decides, submits. Returns when to be called next at the latest, by the same clock;
    // earlier when the channel has a completion or the waker was woken.
    std::uint64_t step(std::uint64_t now_ns) noexcept;

    // From the next step on: one last table block that says stopped, then nothing.
    void say_farewell() noexcept { stopping_ = true; }
    bool said_farewell() const noexcept { return farewell_done_; }
    // The device failed a write: detach, open again, attach.
    bool lost() const noexcept { return lost_; }
    bool busy() const noexcept { return in_flight_ > 0; }
    std::uint64_t incarnation() const noexcept { return incarnation_; }

    // Any thread: how long the write in flight has lasted at now_ns; 0 if none is.
    std::uint64_t pending_ns(std::uint64_t now_ns) const noexcept;
    const latency_histogram& write_latency() const noexcept { return write_latency_; }
    std::uint64_t next_sequence() const noexcept {
        return published_next_.load(std::memory_order_relaxed);
    }
    std::size_t memory_bytes() const noexcept;

  private:
    enum class phase { idle, ring_write, table_write };

    // Takes completions; true when all writes of the phase have ended and the next one began.
    void join(std::uint64_t incarnation) noexcept;
    bool reap(std::uint64_t now_ns) noexcept;
    void on_life_over() noexcept;
    void on_ring_written(std::uint64_t now_ns) noexcept;
    void on_table_written(std::uint64_t now_ns) noexcept;
    void on_write_failed() noexcept;
    void flush(std::uint64_t now_ns, std::size_t queued_bytes) noexcept;
    void flush_inline(std::uint64_t now_ns) noexcept;
    void flush_batch(std::uint64_t now_ns) noexcept;
    void write_table(std::uint64_t now_ns) noexcept;
    void submit(std::uint64_t offset, std::span<std::byte> bytes, std::uint64_t now_ns) noexcept;
    std::uint32_t drain(std::span<std::byte> area, std::size_t& offset,
                        std::uint64_t now_ns) noexcept;
    std::uint64_t sleep(std::uint64_t now_ns, std::uint64_t until_ns,
                        std::size_t level_bytes) noexcept;

    flusher_setup setup_;
    format::slot_index slot_;
    send_queue* queue_;
    acknowledgement_board* board_;
    ring::beat_log* beats_;
    ring::counters* counts_;
    const clock* time_;  // the same as that of step(), and of the frames
    send_observer* observer_;

    io::channel* channel_ = nullptr;
    std::shared_ptr<waker> waker_;
    std::uint64_t incarnation_ = 0;
    bool stopping_ = false;
    bool farewell_in_flight_ = false;
    bool farewell_done_ = false;
    bool lost_ = false;

    ring::send_log log_;
    std::uint64_t next_sequence_;  // of the next frame taken from the queue
    std::uint64_t beat_ = 0;
    std::uint64_t last_write_ns_ = 0;

    phase phase_ = phase::idle;
    unsigned in_flight_ = 0;
    bool failed_ = false;                         // one of the writes in flight
    bool just_written_ = false;                   // a write ended in this step
    std::atomic<std::uint64_t> submitted_ns_{0};  // of the write in flight; read by pending_ns
    std::atomic<std::uint64_t> published_next_{0};
    std::uint32_t unwritten_frames_ = 0;  // first written by the write in flight
    slot_set destinations_;               // of these
    std::uint64_t flush_begun_ns_ = 0;
    ring::send_log::placement placed_;
    std::uint32_t batch_length_bytes_ = 0;
    std::uint64_t batch_first_sequence_ = 0;
    std::uint32_t batch_frames_ = 0;

    std::vector<std::byte> inline_area_;
    std::size_t inline_bytes_ = 0;
    std::uint32_t inline_count_ = 0;
    std::vector<format::acknowledgement> acks_;
    io::aligned_buffer table_;
    io::aligned_buffer padding_;
    io::aligned_buffer batch_;
    latency_histogram write_latency_;
};

}  // namespace diskhb::engine
