// SPDX-License-Identifier: BSD-3-Clause
// A formatted volume in virtual time, and channels to it that watch over their writes; for tests of
// the engine without threads.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "engine/clock.hpp"
#include "format/table_block.hpp"
#include "io/sim_device.hpp"
#include "volume_file.hpp"

namespace diskhb::test {

// Passes everything on, and counts writes that leave the slot's table block and ring.
class guarded_channel final : public io::channel {
  public:
    guarded_channel(std::unique_ptr<io::channel> guarded, const format::geometry& measures,
                    format::slot_index slot)
        : guarded_(std::move(guarded)), measures_(measures), slot_(slot) {}

    void submit(const io::request& wanted) noexcept override {
        if (wanted.what == io::operation::write) {
            const auto is_within = [&](std::uint64_t begin, std::uint64_t bytes) {
                return wanted.offset >= begin &&
                       wanted.offset + wanted.buffer.size() <= begin + bytes;
            };
            ++writes;
            strays += is_within(measures_.table_offset(slot_), measures_.block_bytes) ||
                              is_within(measures_.ring_offset(slot_), measures_.ring_bytes)
                          ? 0
                          : 1;
        }
        guarded_->submit(wanted);
    }
    std::size_t reap(std::span<io::completion> out) noexcept override {
        return guarded_->reap(out);
    }
    void wait(std::chrono::nanoseconds timeout) noexcept override { guarded_->wait(timeout); }
    void wake() noexcept override { guarded_->wake(); }

    std::uint64_t writes = 0;
    std::uint64_t strays = 0;

  private:
    std::unique_ptr<io::channel> guarded_;
    format::geometry measures_;
    format::slot_index slot_;
};

class sim_ring {
  public:
    explicit sim_ring(const format::superblock& content = small_superblock("test", 256 * 1024))
        : sim_ring(content, std::make_shared<io::sim_clock>()) {}
    // Another volume in the same virtual time.
    sim_ring(const format::superblock& content, std::shared_ptr<io::sim_clock> clock)
        : content_(content),
          clock_(std::move(clock)),
          volume_(std::make_shared<io::sim_volume>(*clock_, content.measures.volume_bytes)) {
        for (const std::uint64_t offset :
             {std::uint64_t{0}, content.measures.superblock_copy_offset()}) {
            format::encode_superblock(
                volume_->bytes().subspan(offset, content.measures.block_bytes), content, offset);
        }
    }

    const format::superblock& content() const { return content_; }
    io::sim_clock& clock() { return *clock_; }
    std::uint64_t now_ns() const { return clock_->now_ns(); }
    io::sim_volume& volume() { return *volume_; }

    std::shared_ptr<io::sim_port> make_port(std::uint64_t seed) {
        return std::make_shared<io::sim_port>(volume_, seed);
    }
    std::unique_ptr<guarded_channel> open(const std::shared_ptr<io::sim_port>& port,
                                          format::slot_index slot, unsigned depth) {
        auto device = io::sim_source(port).open();
        EXPECT_TRUE(device.has_value());
        return std::make_unique<guarded_channel>((*device)->make_channel(depth), content_.measures,
                                                 slot);
    }

    std::span<std::byte> block(format::slot_index slot) {
        volume_->settle();
        return volume_->bytes().subspan(content_.measures.table_offset(slot),
                                        content_.measures.block_bytes);
    }
    result<format::table_view> table(format::slot_index slot) {
        return format::decode_table(block(slot), content_.measures, content_.cluster, slot);
    }

    // Calls step(now) whenever it wants to be called or the volume has done something.
    template <class Step>
    void run_until(std::uint64_t end_ns, Step&& step) {
        for (;;) {
            std::uint64_t next_ns = step(now_ns());
            while (next_ns <= now_ns()) {
                next_ns = step(now_ns());
            }
            const std::uint64_t at_ns = std::min(next_ns, volume_->next_event_ns());
            if (at_ns >= end_ns) {
                clock_->advance_to(end_ns);
                return;
            }
            clock_->advance_to(at_ns);
        }
    }

  private:
    format::superblock content_;
    std::shared_ptr<io::sim_clock> clock_;
    std::shared_ptr<io::sim_volume> volume_;
};

// The virtual time of a ring's volume, for the engine.
class ring_clock final : public engine::clock {
  public:
    explicit ring_clock(const sim_ring& ring) : ring_(ring) {}
    std::uint64_t now_ns() const noexcept override { return ring_.now_ns(); }

  private:
    const sim_ring& ring_;
};

}  // namespace diskhb::test
