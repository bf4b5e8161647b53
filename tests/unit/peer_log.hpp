// SPDX-License-Identifier: BSD-3-Clause
// A writer's ring and table block in memory, made with the same codec and bookkeeping as the
// flusher's, and a sink that notes what a reader hands out; for tests of readers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/batch.hpp"
#include "format/superblock.hpp"
#include "format/table_block.hpp"
#include "ring/peer_reader.hpp"
#include "ring/send_log.hpp"

namespace diskhb::test {

struct note_sink final : ring::frame_sink {
    void on_frame(format::slot_index, const format::frame& received) noexcept override {
        texts.emplace_back(reinterpret_cast<const char*>(received.payload.data()),
                           received.payload.size());
    }
    std::vector<std::string> texts;
};

class peer_log {
  public:
    peer_log(const format::superblock& volume, format::slot_index slot, std::uint64_t incarnation,
             ring::log_start start = {}, std::uint32_t batch_bytes = 8192)
        : volume_(volume),
          slot_(slot),
          incarnation_(incarnation),
          log_(volume.measures, batch_bytes, start),
          next_sequence_(start.sequence),
          ring_(volume.measures.ring_bytes),
          table_(volume.measures.block_bytes) {}

    std::uint64_t clock_ns = 1'000'000'000;
    std::uint64_t beat = 0;
    format::node_state state = format::node_state::running;
    format::slot_index destination = format::every_slot;
    // What its blocks say that it has read of slot 0.
    format::acknowledgement acknowledged;

    // One batch with these frames into the ring, not yet announced.
    void write_batch(const std::vector<std::string>& texts) {
        std::vector<std::byte> batch(64 * 1024);
        std::size_t bytes = 0;
        for (const auto& text : texts) {
            append(std::span(batch).subspan(format::batch_header_bytes), bytes, text);
        }
        const auto length = format::batch_length_bytes(volume_.measures, bytes);
        const auto place = log_.place(length);
        if (place.padding_bytes != 0) {
            std::vector<std::byte> padding(volume_.measures.block_bytes);
            put(format::seal_padding(padding, volume_.measures, identity(place.padding_position),
                                     next_sequence_),
                place.padding_position);
        }
        put(format::seal_batch(batch, volume_.measures, identity(place.position), next_sequence_,
                               static_cast<std::uint32_t>(texts.size()), bytes),
            place.position);
        last_position = place.position;
        log_.commit(place, length, next_sequence_, static_cast<std::uint32_t>(texts.size()));
        next_sequence_ += texts.size();
    }

    // The table block, with frames inline that follow on what is in the ring.
    std::span<const std::byte> publish(const std::vector<std::string>& inline_texts = {}) {
        std::vector<std::byte> area(format::inline_capacity_bytes(volume_.measures));
        std::size_t bytes = 0;
        for (const auto& text : inline_texts) {
            append(area, bytes, text);
        }
        format::table_header header;
        header.node_id = slot_ + 1U;
        header.state = state;
        header.incarnation = incarnation_;
        header.sequence = ++beat;
        header.clock_ns = clock_ns;
        header.tail = log_.tail();
        header.tail_sequence = log_.tail_sequence();
        header.head = log_.head();
        header.head_sequence = next_sequence_;
        std::vector<format::acknowledgement> acks(volume_.measures.slots);
        acks[0] = acknowledged;
        format::encode_table(table_, volume_.measures, volume_.cluster, header, acks,
                             std::span(area).first(bytes),
                             static_cast<std::uint32_t>(inline_texts.size()));
        return table_;
    }
    // The frames of the last inline list are given up, or are in the ring under their numbers.
    void skip_sequences(std::uint64_t count) { next_sequence_ += count; }

    // Reads what the reader wants from the ring, and the inline frames, as the receiver does.
    void feed(ring::peer_reader& reader, std::uint64_t now_ns, ring::frame_sink& sink,
              std::uint32_t most_bytes = 64 * 1024) const {
        while (const auto wanted = reader.wanted(most_bytes)) {
            const std::uint64_t before = reader.next_sequence();
            const std::uint64_t at = wanted->offset - volume_.measures.ring_offset(slot_);
            reader.on_ring(std::span(ring_).subspan(at, wanted->bytes), now_ns, sink);
            if (reader.next_sequence() == before) {
                break;
            }
        }
        reader.on_inline(now_ns, sink);
    }

    // Puts the ring and the block last published where they belong on a volume.
    void store(std::span<std::byte> volume) const {
        const auto put_at = [&](std::uint64_t offset, const std::vector<std::byte>& bytes) {
            std::copy(bytes.begin(), bytes.end(),
                      volume.begin() + static_cast<std::ptrdiff_t>(offset));
        };
        put_at(volume_.measures.ring_offset(slot_), ring_);
        put_at(volume_.measures.table_offset(slot_), table_);
    }

    std::byte& ring_byte(std::uint64_t position) {
        return ring_[position & (volume_.measures.ring_bytes - 1)];
    }
    const ring::send_log& log() const { return log_; }
    std::uint64_t next_sequence() const { return next_sequence_; }
    std::uint64_t last_position = 0;

  private:
    format::batch_identity identity(std::uint64_t position) const {
        return {volume_.cluster, slot_, incarnation_, position};
    }
    void append(std::span<std::byte> area, std::size_t& offset, const std::string& text) const {
        const format::frame frame{destination, format::frame_kind::datagram, clock_ns,
                                  std::as_bytes(std::span(text))};
        ASSERT_TRUE(format::append_frame(area, offset, frame));
    }
    void put(std::span<const std::byte> bytes, std::uint64_t position) {
        const auto at = position & (volume_.measures.ring_bytes - 1);
        std::copy(bytes.begin(), bytes.end(), ring_.begin() + static_cast<std::ptrdiff_t>(at));
    }

    format::superblock volume_;
    format::slot_index slot_;
    std::uint64_t incarnation_;
    ring::send_log log_;
    std::uint64_t next_sequence_;
    std::vector<std::byte> ring_;
    std::vector<std::byte> table_;
};

}  // namespace diskhb::test
