// SPDX-License-Identifier: BSD-3-Clause
// Copies one slot of a send volume to a volume that is a copy of it: what is new in the ring first,
// and only when that has been written the very table block that announces it (doc/replication.md).
// A pure state machine: completions go in, requests for the two devices come out. Its owner has
// the channels and the clock; one thread at a time.
//
// What the target announces it holds, at every instant, or holds a later lap of it. Nothing is ever
// written outside of the slot's table block and ring.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/poll_policy.hpp"
#include "format/table_block.hpp"
#include "io/block_device.hpp"
#include "replication/copy_pieces.hpp"
#include "replication/rate_limit.hpp"

namespace diskhb::replication {

enum class copy_side : std::uint8_t { source, target };

struct copy_action {
    copy_side side = copy_side::source;
    io::request what;
};

struct copier_setup {
    format::geometry measures;
    format::uuid cluster{};
    format::slot_index slot = 0;
    std::uint32_t piece_bytes = 256 * 1024;     // of one I/O on the ring; whole blocks
    std::uint64_t memory_bytes_max = 64 << 20;  // for pieces; never more than a ring is taken
    unsigned reads_most = 4;                    // pieces being read at once
    unsigned writes_most = 16;                  // pieces being written at once
    std::uint64_t rate_bytes_per_s = 0;         // of writes to the target; 0: no limit
    engine::poll_settings poll{200'000, 100'000'000, 5'000'000};
};

// Since the machine was made; they go on over restart().
struct copier_counters {
    std::uint64_t table_reads = 0;
    std::uint64_t torn_reads = 0;      // of the source's block; read again
    std::uint64_t rejected_reads = 0;  // no block of ours, or not intact in another way
    std::uint64_t stale_reads = 0;     // an older block than was seen before
    std::uint64_t blocks_announced = 0;
    std::uint64_t ring_bytes_read = 0;
    std::uint64_t ring_bytes_written = 0;
    std::uint64_t ring_writes = 0;
    std::uint64_t lives = 0;  // incarnations of the writer
    std::uint64_t laps = 0;   // times the writer overwrote what was not copied yet
    std::uint64_t restarts = 0;
};

enum class copier_state {
    proving,  // making sure that the target is not the source under another name
    copying,
    refused,  // somebody else writes our slot of the target: it may be the source itself
    failed,   // a device failed: restart()
};

class slot_copier {
  public:
    explicit slot_copier(const copier_setup& setup);

    // Requests in flight at once, at most: the depths of the channels.
    unsigned source_depth() const noexcept { return setup_.reads_most + 1; }
    unsigned target_depth() const noexcept { return setup_.writes_most + 1; }

    const format::uuid& volume() const noexcept { return setup_.cluster; }

    // A request that step() gave out has ended.
    void on_completion(copy_side side, const io::completion& done, std::uint64_t now_ns);
    // Appends what to do now; returns when to be called next at the latest, earlier after a
    // completion.
    std::uint64_t step(std::uint64_t now_ns, std::vector<copy_action>& actions);

    // Looks at the source at once. What it shows then is on the target when settled() has reached
    // the number that is returned.
    std::uint64_t request_copy(std::uint64_t now_ns) noexcept;
    std::uint64_t settled() const noexcept { return settled_; }

    // A device failed: nothing is given out any more until restart().
    bool failed(copy_side side) const noexcept {
        return side == copy_side::source ? source_failed_ : target_failed_;
    }
    // Requests are in flight, on either side or on one.
    bool busy() const noexcept { return busy(copy_side::source) || busy(copy_side::target); }
    bool busy(copy_side side) const noexcept;
    // Begins anew, with what may be other devices; nothing is known of the target. REQUIRES:
    // !busy().
    void restart(std::uint64_t now_ns);

    copier_state state() const noexcept;
    // Why the source's block cannot be copied; no error when it can.
    const boost::system::error_code& rejected() const noexcept { return rejected_; }
    const copier_counters& counters() const noexcept { return counts_; }
    // How old the oldest block is that was seen and is not on the target yet, by the clock of its
    // writer, which is that of this host; 0 if there is none.
    std::uint64_t behind_ns(std::uint64_t now_ns) const noexcept;
    // Lag of the block announced last, and when that was; 0 if none was.
    std::uint64_t last_lag_ns() const noexcept { return last_lag_ns_; }
    std::uint64_t announced_ns() const noexcept { return announced_ns_; }
    const format::block_stamp& announced() const noexcept { return announced_.stamp; }
    // True once after each block that was announced.
    bool take_announcement() noexcept { return std::exchange(has_announced_, false); }
    std::size_t memory_bytes() const noexcept;

  private:
    struct table_copy {
        std::unique_ptr<io::aligned_buffer> bytes;
        format::table_header header;      // incarnation 0: none
        std::uint64_t read_index = 0;     // of the last read that showed it
        std::uint64_t next_clock_ns = 0;  // of the first block that was seen after it
        bool exists() const noexcept { return header.incarnation != 0; }
        format::block_stamp stamp() const noexcept { return {header.incarnation, header.sequence}; }
    };
    // What the target's table block says, as far as we wrote it.
    struct announcement {
        format::block_stamp stamp;
        std::uint64_t tail = 0;
    };

    std::uint64_t table_offset() const noexcept {
        return setup_.measures.table_offset(setup_.slot);
    }
    void read_source_table(std::uint64_t now_ns, std::vector<copy_action>& actions);
    void on_source_table(std::uint64_t now_ns);
    void on_rejected(const boost::system::error_code& error, std::uint64_t now_ns);
    void prove(const format::table_view& seen);
    void judge_torn_probe(const format::block_stamp& before_probe, const format::block_stamp& now);
    void take_table(const format::table_view& seen, std::uint64_t now_ns);
    void adopt(const format::table_view& seen);
    void begin_life(const format::table_view& seen);
    void check_pieces();
    void jump_if_overtaken();
    void choose_goal() noexcept;
    bool is_held(const table_copy& wanted) const noexcept;
    void read_pieces(std::vector<copy_action>& actions);
    std::uint64_t write_pieces(std::uint64_t now_ns, std::vector<copy_action>& actions);
    void announce(std::uint64_t now_ns, std::vector<copy_action>& actions);
    void on_announced(std::uint64_t now_ns);
    std::uint64_t write_limit() const noexcept;
    void emit(copy_side side, io::operation what, std::uint64_t offset, std::span<std::byte> buffer,
              std::uint64_t tag, std::vector<copy_action>& actions);

    copier_setup setup_;
    copier_counters counts_;
    copy_pieces pieces_;
    rate_limit rate_;
    engine::poll_policy poll_;

    bool is_proven_ = false;
    bool is_refused_ = false;
    bool source_failed_ = false;
    bool target_failed_ = false;
    boost::system::error_code rejected_;

    // Reads of the table block, numbered from 1; a piece read before read n began is intact as far
    // as read n says that nothing of it was overwritten.
    table_copy read_;  // its bytes: of the read in flight, or the last one
    bool reading_source_ = false;
    std::uint64_t reads_begun_ = 0;
    std::uint64_t next_poll_ns_ = 0;
    std::uint64_t poll_due_ns_ = 0;
    unsigned torn_in_row_ = 0;

    table_copy latest_;  // the newest of the source
    table_copy goal_;    // what the target is to announce next, unless latest_ can be already
    table_copy announcing_;
    bool is_announcing_ = false;
    announcement announced_;
    bool has_announced_ = false;
    std::uint64_t oldest_clock_ns_ = 0;  // of the oldest block seen since the last announced
    std::uint64_t announced_ns_ = 0;
    std::uint64_t last_lag_ns_ = 0;
    std::uint64_t settled_ = 0;

    // Proving: blocks of the target, and what the source showed before and after.
    table_copy probe_;
    bool reading_target_ = false;
    bool has_probe_ = false;
    format::block_stamp source_before_probe_;
    std::vector<std::byte> odd_probe_;  // not intact; to see whether it changes with the source
    format::block_stamp source_at_odd_probe_;
};

}  // namespace diskhb::replication
