// SPDX-License-Identifier: BSD-3-Clause
// What a node counts and what it knows of its peers. Plain values, taken by node::statistics().
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace diskhb {

// One entry a counter: the enumerator, and thereby the name in `diskhb status --json`, and what it
// counts since the node was started. Every way a frame can be lost has one; so has every reason
// for which the flusher wakes.
#define DISKHB_COUNTERS(X)                                                          \
    X(frames_submitted, "frames taken from clients")                                \
    X(frames_written, "frames written to the volume")                               \
    X(frames_delivered, "frames handed to this node's clients")                     \
    X(bytes_submitted, "payload bytes taken from clients")                          \
    X(bytes_delivered, "payload bytes handed to this node's clients")               \
    X(dropped_full, "frames dropped: their queue was full")                         \
    X(dropped_too_long, "frames dropped: longer than max_payload_bytes")            \
    X(dropped_not_joined, "frames dropped: no volume, or not joined yet")           \
    X(dropped_expired_send, "frames dropped before writing: older than the TTL")    \
    X(dropped_expired_receive, "frames dropped after reading: older than the TTL")  \
    X(dropped_io_error, "frames dropped: their write failed")                       \
    X(dropped_receive_full, "frames dropped: the client did not take them in time") \
    X(lost_lapped, "frames of peers overwritten before they were read")             \
    X(lost_damaged, "frames of peers given up: unreadable for longer than the TTL") \
    X(lost_gap, "frames of peers that their writer never put on the volume")        \
    X(wakes_idle_device, "flusher wakes: a frame came while nothing was in flight") \
    X(wakes_write_done, "flusher wakes: a write ended and frames were waiting")     \
    X(wakes_fill, "flusher wakes: the write buffer reached its fill point")         \
    X(wakes_deadline, "flusher wakes: the oldest frame reached the flush deadline") \
    X(wakes_beat, "flusher wakes: nothing to send, a beat was due")                 \
    X(wakes_acknowledge, "flusher wakes: a peer waits for an acknowledgement")      \
    X(flusher_sleeps, "times the flusher went to sleep")                            \
    X(table_writes, "writes of this node's table block")                            \
    X(ring_writes, "writes into this node's ring")                                  \
    X(bytes_written, "bytes written to the volume")                                 \
    X(table_reads, "reads of the node table")                                       \
    X(ring_reads, "reads of peers' rings")                                          \
    X(bytes_read, "bytes read from the volume")                                     \
    X(rejected_empty_block, "blocks never written")                                 \
    X(rejected_bad_magic, "blocks that are not diskhb's, or of the wrong kind")     \
    X(rejected_other_version, "blocks of another format version")                   \
    X(rejected_truncated, "blocks shorter than they say")                           \
    X(rejected_torn, "blocks half-written or damaged")                              \
    X(rejected_foreign, "blocks of another cluster")                                \
    X(rejected_misplaced, "blocks written for another slot or offset")              \
    X(rejected_malformed, "blocks with a field out of range")                       \
    X(rejected_stale, "blocks of an earlier life, or going backwards")              \
    X(rejected_lapped, "blocks overwritten by a later lap")                         \
    X(read_errors, "reads that the device failed")                                  \
    X(write_errors, "writes that the device failed")                                \
    X(volume_losses, "times the volume was lost")                                   \
    X(volume_returns, "times the volume came back")                                 \
    X(messages_sent, "messages accepted by send_message")                           \
    X(messages_delivered, "messages handed to receive_message")                     \
    X(message_frames_resent, "pieces of messages sent again after a loss")          \
    X(messages_refused, "messages refused: the window was shut")                    \
    X(echo_requests, "echo requests answered")

enum class counter : std::size_t {
#define DISKHB_COUNTER_VALUE(name, help) name,
    DISKHB_COUNTERS(DISKHB_COUNTER_VALUE)
#undef DISKHB_COUNTER_VALUE
        count_
};
inline constexpr std::size_t counter_count = static_cast<std::size_t>(counter::count_);
const char* counter_name(counter which) noexcept;
const char* counter_help(counter which) noexcept;

enum class ring_state {
    waiting_for_volume,  // it is not there, or not readable; tried again all the time
    watching_slot,       // making sure that no other daemon is alive in our slot
    running,
    volume_lost,  // it was there and failed; tried again all the time
    refused,      // it must not be used: see ring_error; tried again, more slowly
    stopped,
};
const char* ring_state_name(ring_state state) noexcept;

enum class peer_state {
    unknown,  // never heard since this node started
    alive,    // its beat goes on
    late,     // likewise, but it reads what we write for it later than the read deadline
    silent,   // no beat for the peer timeout
    stopped,  // it said that it stops
    unseen,   // we cannot read the volume: nothing can be said of the peer
};
const char* peer_state_name(peer_state state) noexcept;

struct peer_status {
    std::uint32_t node_id = 0;
    peer_state state = peer_state::unknown;
    std::uint64_t incarnation = 0;
    std::chrono::nanoseconds heard_ago{0};  // since its last new beat, by our clock
    std::uint64_t frames_read = 0;          // addressed to us, or to all
    std::uint64_t frames_lost = 0;          // lost_lapped + lost_damaged + lost_gap of it
    std::uint64_t unread_by_peer = 0;       // frames of ours that it has not read yet
    bool acknowledges_us = false;           // its table names our present incarnation
    // It goes on reading our beats. Alive without that: the way from us to it is cut.
    bool hears_us = false;
    // From our write to the first block of the peer that says it was read, by our clock; since we
    // started.
    std::chrono::nanoseconds lag_p50{0};
    std::chrono::nanoseconds lag_p99{0};
    std::chrono::nanoseconds lag_most{0};
    std::uint64_t deadline_breaches = 0;  // our writes with frames for it that took longer
    std::uint64_t deadline_bursts = 0;    // how often it became late
};

// What is known of a volume that peers are read from and that is not our send volume.
struct receive_area_status {
    std::string volume;
    std::vector<std::uint32_t> nodes;
    ring_state state = ring_state::waiting_for_volume;  // never watching_slot
    std::string error;                                  // one line; empty while all is well
    std::string volume_uuid;                            // empty until the volume was read
    std::chrono::nanoseconds read_latency_p50{0};
    std::chrono::nanoseconds read_latency_p99{0};
    std::chrono::nanoseconds io_pending{0};      // how long the oldest read in flight has lasted
    std::chrono::nanoseconds table_seen_ago{0};  // since its table was last read; 0: never
};

struct statistics {
    ring_state state = ring_state::waiting_for_volume;
    std::string ring_error;  // one line; empty while all is well
    std::string volume;
    std::string cluster_name;  // empty until the volume was read
    std::uint64_t incarnation = 0;
    std::uint64_t memory_bytes = 0;  // buffers, fixed at start
    std::chrono::nanoseconds write_latency_p50{0};
    std::chrono::nanoseconds write_latency_p99{0};
    std::chrono::nanoseconds read_latency_p50{0};
    std::chrono::nanoseconds read_latency_p99{0};
    std::chrono::nanoseconds io_pending{0};  // how long the oldest I/O in flight has lasted
    std::array<std::uint64_t, counter_count> counters{};
    std::vector<peer_status> peers;                  // in the order of their node ids
    std::vector<receive_area_status> receive_areas;  // as in node_options::receive_from

    std::uint64_t operator[](counter which) const noexcept {
        return counters[static_cast<std::size_t>(which)];
    }
};

}  // namespace diskhb
