// SPDX-License-Identifier: BSD-3-Clause
// The receiver of one area: reads its node table with one read, then what is new in peers' rings,
// hands out their frames, keeps the peers' liveness and our acknowledgements (doc/engine.md, "The
// receiver"). It never waits; the thread that owns it does, or a simulator. Each area that peers
// are read from has a receiver and a thread of its own.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/acknowledgement_board.hpp"
#include "engine/echo_deadline.hpp"
#include "engine/flusher.hpp"
#include "engine/latency.hpp"
#include "engine/poll_policy.hpp"
#include "engine/slot_watch.hpp"
#include "io/block_device.hpp"
#include "ring/counters.hpp"
#include "ring/liveness.hpp"
#include "ring/peer_reader.hpp"

namespace diskhb::engine {

struct receiver_setup {
    format::geometry measures;
    format::uuid cluster{};
    std::uint32_t node_id = 0;
    std::vector<std::uint32_t> peers;  // node ids
    std::uint32_t read_bytes = 0;      // of one read of a ring: the longest batch at least
    std::uint64_t ttl_ns = 0;
    std::uint64_t peer_timeout_ns = 0;
    poll_settings poll;
    // A copy of the peers' send volume: our own slot is not looked at. Otherwise it is watched.
    ring::block_source source = ring::block_source::shared_volume;
    std::uint64_t read_deadline_ns = 0;     // 0: none
    const ring::beat_log* beats = nullptr;  // of our own blocks; null: echoes say nothing
};

// Told what a receiver finds; called on that receiver's thread. With several areas it is called by
// several threads at once, for different peers.
class receive_observer : public ring::frame_sink {
  public:
    // A new block of a peer: its incarnation, and what it has read of ours.
    virtual void on_peer_block(format::slot_index peer, std::uint64_t incarnation,
                               const format::acknowledgement& of_us) noexcept = 0;
    // What the peer's acknowledgement of us should say about message pieces.
    virtual std::uint64_t message_sequence_from(format::slot_index peer) noexcept = 0;
};

class receiver {
  public:
    // How many rings are read at once.
    static constexpr unsigned ring_reads_most = 4;
    static constexpr unsigned channel_depth = ring_reads_most + 1;

    receiver(const receiver_setup& setup, acknowledgement_board& board, ring::counters& counts,
             receive_observer& observer);

    // A channel to the volume, with nothing in flight and a depth of channel_depth.
    void attach(io::channel& channel) noexcept;
    void detach() noexcept { channel_ = nullptr; }
    // We write into our slot from now on, as `incarnation`; 0: we do not, watch the slot again. The
    // receiver's own thread; any thread where the source is a copy.
    void joined_as(std::uint64_t incarnation) noexcept;

    // Reaps, decides, submits. Returns when to be called next at the latest; earlier when the
    // channel has a completion or the owner was woken.
    std::uint64_t step(std::uint64_t now_ns) noexcept;

    // We have sent something: an answer may come soon. Any thread; true if the receiver sleeps
    // long and is worth waking.
    bool expect_answer() noexcept;

    // The device failed a read: detach, open again, attach.
    bool lost() const noexcept { return lost_; }
    bool busy() const noexcept { return in_flight_ > 0; }
    slot_state slot() const noexcept { return watch_.state(); }

    // A block of ours is about to be written: see send_observer. The flusher's thread.
    void on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                      const slot_set& destinations) noexcept;

    // Any thread. A peer is unseen when the table was not read for the peer timeout, whether reads
    // fail or hang. our_end: the sequence after the last frame that we have written.
    std::vector<peer_status> peers(std::uint64_t now_ns, std::uint64_t our_end) const;
    std::uint64_t pending_ns(std::uint64_t now_ns) const noexcept;
    const latency_histogram& read_latency() const noexcept { return read_latency_; }
    // Any thread: when the table was last read, by our clock; 0 if never.
    std::uint64_t table_seen_ns() const noexcept {
        return table_seen_ns_.load(std::memory_order_relaxed);
    }
    std::size_t memory_bytes() const noexcept;

  private:
    struct peer_entry {
        peer_entry(const receiver_setup& setup, std::uint32_t id, ring::counters& counts);

        format::slot_index slot;
        ring::peer_reader reader;
        ring::liveness life;
        std::uint64_t frames_read = 0;  // of the reader, when it was last looked at
        // Under lock_:
        peer_status published;
        std::uint64_t heard_ns = 0;
        std::uint64_t read_of_ours = 0;
        std::uint64_t echoed_beat = 0;  // of our present life
        std::uint64_t echo_ns = 0;      // when that beat came back first
        echo_deadline deadline;
    };
    struct ring_read {
        peer_entry* of = nullptr;
        std::uint32_t bytes = 0;
        std::unique_ptr<io::aligned_buffer> buffer;
        bool done = false;
    };
    enum class phase { sleeping, table_read, ring_reads };

    bool reap(std::uint64_t now_ns) noexcept;
    void read_table(std::uint64_t now_ns) noexcept;
    void on_table(std::uint64_t now_ns) noexcept;
    void on_own_block(std::uint64_t now_ns) noexcept;
    void on_peer_block(peer_entry& of, std::uint64_t now_ns) noexcept;
    bool start_ring_reads(std::uint64_t now_ns) noexcept;
    void on_ring_reads(std::uint64_t now_ns) noexcept;
    void finish_cycle(std::uint64_t now_ns) noexcept;
    void on_read_failed(std::uint64_t now_ns) noexcept;
    void publish(peer_entry& of, std::uint64_t now_ns) noexcept;
    void on_echo(peer_entry& of, std::uint64_t now_ns) noexcept;
    void step_deadlines(std::uint64_t now_ns) noexcept;
    peer_status status_of(const peer_entry& of, std::uint64_t now_ns, std::uint64_t our_end) const;
    std::span<const std::byte> block_of(format::slot_index slot) const noexcept;
    void submit(std::uint64_t offset, std::span<std::byte> into, std::uint64_t tag,
                std::uint64_t now_ns) noexcept;

    receiver_setup setup_;
    format::slot_index own_slot_;
    format::slot_index first_slot_;  // the table is read from here ...
    format::slot_index last_slot_;   // ... to here
    acknowledgement_board* board_;
    ring::counters* counts_;
    receive_observer* observer_;
    io::channel* channel_ = nullptr;
    std::atomic<std::uint64_t> incarnation_{0};  // ours
    slot_watch watch_;
    poll_policy poll_;
    std::deque<peer_entry> peers_;
    mutable std::mutex lock_;  // guards what statistics() and the flusher's thread share of peers_

    phase phase_ = phase::sleeping;
    unsigned in_flight_ = 0;
    bool failed_ = false;
    bool lost_ = false;
    bool frames_came_ = false;  // in this cycle
    ring::read_times times_;    // of the table read
    std::uint64_t next_poll_ns_ = 0;
    std::uint64_t poll_due_ns_ = 0;  // when the last read was due
    std::size_t next_peer_ = 0;      // whose ring is looked at first: all get their turn
    std::atomic<bool> answer_expected_{false};
    std::atomic<bool> sleeps_long_{false};
    std::atomic<std::uint64_t> submitted_ns_{0};
    std::atomic<std::uint64_t> table_seen_ns_{0};  // when the table was last read; for peers()
    io::aligned_buffer table_;
    std::vector<ring_read> ring_reads_;
    unsigned ring_reads_used_ = 0;
    latency_histogram read_latency_;
};

}  // namespace diskhb::engine
