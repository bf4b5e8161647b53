// SPDX-License-Identifier: BSD-3-Clause
// A writer on one simulated volume, a copier to another, and an oracle that knows every block that
// was ever written: for tests of replication, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/batch.hpp"
#include "replication/slot_copier.hpp"
#include "ring/send_log.hpp"
#include "ring/sequence.hpp"
#include "sim_ring.hpp"

namespace diskhb::test {

// Writes its slot as the engine does: batches into the ring, then the table block.
class slot_writer {
  public:
    slot_writer(sim_ring& on, format::slot_index slot, std::uint64_t seed)
        : on_(on),
          slot_(slot),
          random_(seed),
          port_(on.make_port(seed)),
          channel_(on.open(port_, slot, 4)),
          log_(measures(), batch_bytes) {
        begin_life();
    }

    std::uint64_t pause_ns_max = 2'000'000;  // between two flushes
    double ring_share = 0.5;                 // of flushes that write a batch
    bool is_stopped = false;

    void begin_life() {
        incarnation_ = random_.next() | 1;
        beat_ = 0;
        sequence_ = 0;
        log_ = ring::send_log(measures(), batch_bytes);
    }

    std::uint64_t step(std::uint64_t now_ns) {
        std::array<io::completion, 4> done{};
        const std::size_t ended = channel_->reap(done);
        in_flight_ -= ended;
        if (in_flight_ > 0) {
            return UINT64_MAX;
        }
        if (has_placed_) {
            has_placed_ = false;
            log_.commit(placed_, batch_length_, sequence_, 1);
            ++sequence_;
            write_table(now_ns);
            return UINT64_MAX;
        }
        if (is_stopped) {
            return UINT64_MAX;
        }
        if (now_ns < next_ns_) {
            return next_ns_;
        }
        next_ns_ = now_ns + random_.below(pause_ns_max + 1);
        if (random_.chance(ring_share)) {
            write_batch();
        } else {
            write_table(now_ns);
        }
        return UINT64_MAX;
    }

    bool is_idle() const { return in_flight_ == 0; }
    bool has_written_table(std::span<const std::byte> block) const {
        return tables_.contains(text_of(block));
    }
    // Whether those bytes of that place in the ring are of the block that an announcement of this
    // life means by `position`, or of one written there later.
    bool is_version_from(std::uint64_t incarnation, std::uint64_t position, std::size_t offset,
                         std::span<const std::byte> found, bool exactly) const {
        const auto place = versions_.find(position & (measures().ring_bytes - 1));
        if (place == versions_.end()) {
            return true;
        }
        const auto& all = place->second;
        auto each = std::ranges::find_if(all, [&](const version& one) {
            return one.incarnation == incarnation && one.position == position;
        });
        if (each == all.end()) {
            return true;  // behind a padding batch nothing is written
        }
        for (; each != all.end(); ++each) {
            if (std::ranges::equal(found, std::span(each->bytes).subspan(offset, found.size()))) {
                return true;
            }
            if (exactly) {
                return false;
            }
        }
        return false;
    }
    std::uint64_t incarnation() const { return incarnation_; }
    std::uint64_t beat() const { return beat_; }

  private:
    static constexpr std::uint32_t batch_bytes = 32 * 1024;
    struct version {
        std::uint64_t incarnation;
        std::uint64_t position;
        std::vector<std::byte> bytes;
    };

    const format::geometry& measures() const { return on_.content().measures; }
    static std::string text_of(std::span<const std::byte> bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    void write_batch() {
        const auto bytes = static_cast<std::uint32_t>(random_.between(1, 30'000));
        const auto area = batch_.span().subspan(format::batch_header_bytes);
        std::vector<std::byte> payload(bytes);
        std::ranges::generate(payload, [this] { return static_cast<std::byte>(random_.next()); });
        std::size_t used = 0;
        format::frame one;
        one.destination = format::every_slot;
        one.payload = payload;
        EXPECT_TRUE(format::append_frame(area, used, one));
        batch_length_ = format::batch_length_bytes(measures(), used);
        placed_ = log_.place(batch_length_);
        has_placed_ = true;
        format::batch_identity identity{on_.content().cluster, slot_, incarnation_,
                                        placed_.position};
        const auto sealed =
            format::seal_batch(batch_.span(), measures(), identity, sequence_, 1, used);
        if (placed_.padding_bytes != 0) {
            identity.position = placed_.padding_position;
            format::seal_padding(padding_.span(), measures(), identity, sequence_);
            put(placed_.padding_position, padding_.span());
        }
        put(placed_.position, batch_.span().first(sealed.size()));
    }

    void put(std::uint64_t position, std::span<std::byte> bytes) {
        for (std::size_t at = 0; at < bytes.size(); at += 4096) {
            const auto block = bytes.subspan(at, 4096);
            versions_[(position + at) & (measures().ring_bytes - 1)].push_back(
                {incarnation_, position + at, {block.begin(), block.end()}});
        }
        submit(measures().ring_offset(slot_, position), bytes);
    }

    void write_table(std::uint64_t now_ns) {
        format::table_header header;
        header.node_id = slot_ + 1U;
        header.incarnation = incarnation_;
        header.sequence = ++beat_;
        header.clock_ns = now_ns;
        header.tail = log_.tail();
        header.tail_sequence = log_.tail_sequence();
        header.head = log_.head();
        header.head_sequence = log_.head_sequence();
        const std::vector<format::acknowledgement> acks(measures().slots);
        format::encode_table(table_.span(), measures(), on_.content().cluster, header, acks, {}, 0);
        tables_.insert(text_of(table_.span()));
        submit(measures().table_offset(slot_), table_.span());
    }

    void submit(std::uint64_t offset, std::span<std::byte> bytes) {
        ++in_flight_;
        channel_->submit({io::operation::write, offset, bytes, 0});
    }

    sim_ring& on_;
    format::slot_index slot_;
    io::sim_random random_;
    std::shared_ptr<io::sim_port> port_;
    std::unique_ptr<guarded_channel> channel_;
    ring::send_log log_;
    std::uint64_t incarnation_ = 0;
    std::uint64_t beat_ = 0;
    std::uint64_t sequence_ = 0;
    std::uint64_t next_ns_ = 0;
    std::size_t in_flight_ = 0;
    bool has_placed_ = false;
    ring::send_log::placement placed_;
    std::uint32_t batch_length_ = 0;
    io::aligned_buffer batch_{batch_bytes};
    io::aligned_buffer padding_{4096};
    io::aligned_buffer table_{4096};
    std::map<std::uint64_t, std::vector<version>> versions_;  // by place in the ring, in order
    std::set<std::string> tables_;
};

// Source, target, writer and copier.
class copy_bench {
  public:
    static constexpr format::slot_index slot = 1;

    explicit copy_bench(std::uint64_t seed)
        : clock_(std::make_shared<io::sim_clock>()),
          source(small_superblock("test", 256 * 1024), clock_),
          target(small_superblock("test", 256 * 1024), clock_),
          writer(source, slot, seed),
          source_port(source.make_port(seed + 1)),
          target_port(target.make_port(seed + 2)) {
        setup.measures = source.content().measures;
        setup.cluster = source.content().cluster;
        setup.slot = slot;
        setup.piece_bytes = 16 * 1024;
        setup.writes_most = 6;
        start_copier();
    }

    void start_copier() {
        copier = std::make_unique<replication::slot_copier>(setup);
        open_channels();
    }
    void open_channels() {
        from = source.open(source_port, slot, copier->source_depth());
        to = target.open(target_port, slot, copier->target_depth());
    }
    // As SIGKILL does: what is in flight may land, in part or not at all.
    void kill_copier(bool tears) {
        if (tears) {
            target_port->tear_in_flight();
        }
        copier.reset();
        strays += from->strays + to->strays;
        from.reset();
        to.reset();
    }

    // The kernel ends a process only when its I/O has ended; then it can be started again.
    void end_writes() {
        while (target.volume().next_event_ns() != io::sim_never_ns) {
            run_for(1'000'000);
        }
    }

    std::uint64_t step_copier(std::uint64_t now_ns) {
        if (!copier) {
            return UINT64_MAX;
        }
        for (const auto side : {replication::copy_side::source, replication::copy_side::target}) {
            auto& channel = side == replication::copy_side::source ? *from : *to;
            std::array<io::completion, 32> done{};
            const std::size_t count = channel.reap(done);
            for (std::size_t index = 0; index < count; ++index) {
                copier->on_completion(side, done[index], now_ns);
            }
        }
        if (copier->state() == replication::copier_state::failed && !copier->busy()) {
            strays += from->strays + to->strays;
            open_channels();
            copier->restart(now_ns);
        }
        actions_.clear();
        const std::uint64_t next_ns = copier->step(now_ns, actions_);
        for (const auto& action : actions_) {
            submit(action);
        }
        return next_ns;
    }

    void run_for(std::uint64_t duration_ns) {
        const std::uint64_t end_ns = clock_->now_ns() + duration_ns;
        for (std::uint64_t events = 0;; ++events) {
            std::uint64_t next_ns = step_all();
            while (next_ns <= clock_->now_ns()) {
                next_ns = step_all();
            }
            source.volume().settle();
            target.volume().settle();
            if (events % check_every == 0) {
                check_target();
            }
            const std::uint64_t at_ns = std::min(
                {next_ns, source.volume().next_event_ns(), target.volume().next_event_ns()});
            if (at_ns >= end_ns) {
                clock_->advance_to(end_ns);
                return;
            }
            clock_->advance_to(at_ns);
        }
    }

    // What the target announces it holds.
    void check_target() {
        const auto seen = target.table(slot);
        if (!seen) {
            return;
        }
        ++checks;
        const auto since = written_since({seen->incarnation, seen->sequence});
        for (std::uint64_t position = seen->tail; position != seen->head; position += 4096) {
            const std::uint64_t place = position & (setup.measures.ring_bytes - 1);
            const auto block =
                target.volume().bytes().subspan(setup.measures.ring_offset(slot, position), 4096);
            const bool was_overwritten = since.contains(place);
            const std::size_t step = was_overwritten ? io::sim_piece_bytes : 4096;
            for (std::size_t at = 0; at < 4096; at += step) {
                if (!writer.is_version_from(seen->incarnation, position, at,
                                            block.subspan(at, step), !was_overwritten)) {
                    ++lies;
                    return;
                }
            }
        }
    }

    bool is_in_step() { return std::ranges::equal(source.block(slot), target.block(slot)); }

  private:
    std::shared_ptr<io::sim_clock> clock_;

  public:
    sim_ring source;
    sim_ring target;
    slot_writer writer;
    std::shared_ptr<io::sim_port> source_port;
    std::shared_ptr<io::sim_port> target_port;
    replication::copier_setup setup;
    std::unique_ptr<replication::slot_copier> copier;
    std::unique_ptr<guarded_channel> from;
    std::unique_ptr<guarded_channel> to;
    std::uint64_t check_every = 7;
    std::uint64_t checks = 0;
    std::uint64_t lies = 0;       // the target announced what it did not hold
    std::uint64_t strangers = 0;  // table blocks that the writer never wrote
    std::uint64_t strays = 0;     // writes outside of the slot

  private:
    std::uint64_t step_all() {
        const std::uint64_t now_ns = clock_->now_ns();
        return std::min(writer.step(now_ns), step_copier(now_ns));
    }

    void submit(const replication::copy_action& action) {
        const bool is_write = action.what.what == io::operation::write;
        if (is_write) {
            EXPECT_EQ(action.side, replication::copy_side::target);
            note_write(action.what);
        }
        (action.side == replication::copy_side::source ? *from : *to).submit(action.what);
    }

    void note_write(const io::request& what) {
        if (what.offset < setup.measures.rings_offset()) {
            strangers += writer.has_written_table(what.buffer) ? 0 : 1;
            written_.push_back({format::peek_stamp(what.buffer), {}});
            return;
        }
        for (std::size_t at = 0; at < what.buffer.size(); at += 4096) {
            written_.back().places.insert(what.offset + at - setup.measures.ring_offset(slot));
        }
    }

    // Places of the ring that were written after a table block and before the next one.
    struct writes_after {
        format::block_stamp table;
        std::set<std::uint64_t> places;
    };
    std::set<std::uint64_t> written_since(const format::block_stamp& table) const {
        std::set<std::uint64_t> all;
        for (auto each = written_.rbegin(); each != written_.rend(); ++each) {
            all.insert(each->places.begin(), each->places.end());
            if (each->table == table) {
                break;
            }
        }
        return all;
    }

    std::vector<writes_after> written_{1};
    std::vector<replication::copy_action> actions_;
};

}  // namespace diskhb::test
