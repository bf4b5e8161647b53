// SPDX-License-Identifier: BSD-3-Clause
// Reads one peer's log: decides from its table block what to read from its ring, checks what was
// read, and hands out each frame addressed to us once, in order, if it is young enough. Does no
// I/O and has no clock; owned by the receiver's thread.
//
// A reader starts at the end of what a new incarnation has published: nothing that was written
// before we first saw that incarnation is ever delivered. Where it knows one already, it follows
// the new one from its second block on: an old block that a device gives back (a lagging mirror, a
// restored snapshot) has no second one, and must not end the life of the present incarnation.
//
// What is read from a copy may come in any order, so two blocks prove nothing. There another
// incarnation is followed when its block echoes a beat of ours from after the last block we saw of
// the present one: then it was encoded later, and is the newer life, even one that seemed to have
// ended. Without that proof it is followed only while the present one is silent, and none of its
// frames is delivered until the proof comes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "format/batch.hpp"
#include "format/table_block.hpp"
#include "ring/age_bound.hpp"
#include "ring/beat_log.hpp"
#include "ring/counters.hpp"

namespace diskhb::ring {

// Takes the frames of a peer, in order. The payload is valid during the call only.
class frame_sink {
  public:
    virtual ~frame_sink() = default;
    virtual void on_frame(format::slot_index from, const format::frame& received) noexcept = 0;
};

struct reader_setup {
    format::geometry measures;
    format::uuid cluster{};
    format::slot_index own_slot = 0;
    format::slot_index peer_slot = 0;
    std::uint64_t ttl_ns = 0;
    block_source source = block_source::shared_volume;
    std::uint64_t silence_ns = 0;     // on a copy: another life may be followed after this
    const beat_log* beats = nullptr;  // when our blocks were encoded; null: echoes say nothing
};

// When a read was issued and when its completion was seen, by our clock.
struct read_times {
    std::uint64_t issued_ns = 0;
    std::uint64_t done_ns = 0;
};

class peer_reader {
  public:
    peer_reader(const reader_setup& setup, counters& counts) noexcept
        : setup_(setup), counts_(&counts), age_(setup.source) {}

    enum class news {
        none,         // the block is the one seen before, or a new life's first
        rejected,     // it failed its checks and was counted
        first_sight,  // an intact block, the first of this peer
        beat,      // a newer block of the same incarnation, or one of a life that is newer; running
        farewell,  // likewise, stopped
    };
    // The peer's block as it came with a read of the table.
    news on_table(std::span<const std::byte> block, const read_times& when) noexcept;

    // What to read from the ring to go on, at most `most_bytes` (a whole batch at least), not
    // across the ring's end. Nothing when all batches were read.
    struct wanted_read {
        std::uint64_t offset = 0;  // on the volume
        std::uint32_t bytes = 0;
    };
    std::optional<wanted_read> wanted(std::uint32_t most_bytes) const noexcept;

    // The bytes of the read last wanted. Hands out frames of all whole, valid batches.
    void on_ring(std::span<const std::byte> bytes, std::uint64_t now_ns, frame_sink& sink) noexcept;
    // Hands out the frames inline in the block given to the last on_table (the bytes are still
    // there), if all batches before them were read.
    void on_inline(std::uint64_t now_ns, frame_sink& sink) noexcept;

    // How far we have read: incarnation 0 before anything was seen.
    std::uint64_t incarnation() const noexcept { return view_.incarnation; }
    std::uint64_t beat() const noexcept { return view_.sequence; }  // of the last accepted block
    std::uint64_t next_sequence() const noexcept { return next_sequence_; }
    // What the peer acknowledged of ours in its last block.
    const format::acknowledgement& acknowledgement_of_us() const noexcept { return ack_; }
    std::uint64_t frames_read() const noexcept { return frames_read_; }
    std::uint64_t frames_lost() const noexcept { return frames_lost_; }

  private:
    // A block of another life that may be the peer's next: where we would start to read.
    struct newcomer {
        format::table_header header;  // incarnation 0: none
        std::uint64_t next_sequence = 0;
        std::uint64_t unseen_ns = 0;
        std::uint64_t seen_ns = 0;
        std::uint64_t echoed_ns = 0;  // when the beat was encoded that it echoes, 0 if none
    };

    news accept(const format::table_view& seen, const read_times& when) noexcept;
    news accept_newcomer(const format::table_view& seen, const read_times& when) noexcept;
    news accept_beat(const format::table_view& seen, const read_times& when) noexcept;
    news stale() noexcept;
    std::uint64_t echoed_ns(const format::table_view& seen) const noexcept;
    bool is_proven_newer(const format::table_view& seen) const noexcept;
    newcomer newcomer_of(const format::table_view& seen, const read_times& when) const noexcept;
    void follow(const newcomer& first, const format::table_view& seen) noexcept;
    bool is_deliverable(const format::frame& one, std::uint64_t now_ns) const noexcept;
    bool is_known(const format::block_stamp& stamp) const noexcept;
    void look_again_at_inline(std::span<const std::byte> block) noexcept;
    void start_behind(const newcomer& first) noexcept;
    bool is_former(std::uint64_t incarnation) const noexcept;
    void skip_to_tail_if_lapped() noexcept;
    bool is_announced(const format::batch_view& batch) const noexcept;
    bool take_batch(std::span<const std::byte> bytes, std::uint64_t now_ns, frame_sink& sink,
                    std::size_t& used) noexcept;
    void on_bad_batch(errc kind, std::uint64_t now_ns) noexcept;
    void take_frames(std::span<const std::byte> area, std::uint64_t first_sequence,
                     std::uint64_t now_ns, frame_sink& sink) noexcept;
    void lose(counter which, std::uint64_t up_to_sequence) noexcept;

    reader_setup setup_;
    counters* counts_;
    format::table_view view_{};     // of the last accepted block; spans into the caller's bytes
    bool view_is_current_ = false;  // the spans still point to the bytes of the last on_table
    format::acknowledgement ack_{};
    age_bound age_;
    std::uint64_t last_issued_ns_ = 0;  // of the last read that showed nothing newer
    std::uint64_t accepted_ns_ = 0;     // when the last block was accepted
    std::uint64_t order_floor_ns_ = 0;  // on a copy: all lives followed before were seen last then
    std::uint64_t position_ = 0;        // of the next batch to read
    std::uint64_t next_sequence_ = 0;   // of the next frame
    std::optional<std::uint64_t> damaged_since_ns_;
    newcomer newcomer_;
    std::array<std::uint64_t, 8> former_{};  // incarnations that have ended
    std::size_t former_next_ = 0;
    std::uint64_t frames_read_ = 0;
    std::uint64_t frames_lost_ = 0;
};

}  // namespace diskhb::ring
