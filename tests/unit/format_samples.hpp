// SPDX-License-Identifier: BSD-3-Clause
// Sample blocks for the tests of the volume format, and the ways in which a volume can spoil them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "format/batch.hpp"
#include "format/bytes.hpp"
#include "format/crc32c.hpp"
#include "format/quorum_block.hpp"
#include "format/superblock.hpp"
#include "format/table_block.hpp"

namespace diskhb::format::samples {

using bytes = std::vector<std::byte>;

inline constexpr uuid cluster = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};
inline constexpr uuid other_cluster = {0xff};
inline constexpr slot_index slot = 1;
inline constexpr std::uint64_t incarnation = 0x0102030405060708;
inline constexpr std::size_t tag_at = 64;

inline geometry measures(std::uint32_t block_bytes = 4096, std::uint16_t slots = 4) {
    const std::uint64_t ring_bytes = block_bytes > 16384 ? 2 * ring_bytes_min : ring_bytes_min;
    return make_geometry(block_bytes, slots, ring_bytes, 1ULL << 30).value();
}

inline bytes payload(std::size_t size, unsigned first = 1) {
    bytes content(size);
    for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<std::byte>(first + i);
    }
    return content;
}

// Frames with payloads of the given sizes, one after another.
inline bytes frames(std::initializer_list<std::size_t> sizes) {
    bytes area;
    unsigned number = 0;
    for (const std::size_t size : sizes) {
        const bytes content = payload(size, ++number);
        std::size_t offset = area.size();
        area.resize(offset + frame_bytes(size));
        EXPECT_TRUE(append_frame(area, offset, {2, frame_kind::datagram, 1000 + number, content}));
    }
    return area;
}

inline table_header table(std::uint64_t sequence = 77) {
    table_header header;
    header.node_id = slot + 1;
    header.incarnation = incarnation;
    header.sequence = sequence;
    header.clock_ns = 123456789;
    header.tail = 8192;
    header.tail_sequence = 10;
    header.head = 40960;
    header.head_sequence = 30;
    return header;
}

inline std::vector<acknowledgement> acks(const geometry& volume) {
    std::vector<acknowledgement> list(volume.slots);
    for (std::size_t i = 0; i < list.size(); ++i) {
        list[i] = {0xa0 + i, 0xb0 + i, 0xc0 + i, 0xd0 + i};
    }
    return list;
}

inline bytes table_block(const geometry& volume, const table_header& header,
                         const bytes& inline_frames = frames({5, 0, 32})) {
    bytes block(volume.block_bytes, std::byte{0xee});
    const auto list = acks(volume);
    encode_table(block, volume, cluster, header, list, inline_frames,
                 count_frames(inline_frames).value());
    return block;
}

// Every field with a value of its own; holds the grant of the ring of nodes 1 and 2.
inline quorum_block quorum(std::uint64_t sequence = 77) {
    quorum_block content;
    content.node_id = slot + 1;
    content.state = quorum_state::running;
    content.incarnation = incarnation;
    content.sequence = sequence;
    content.ready = true;
    content.score = 500;
    content.heuristics = heuristics_result::passed;
    content.ring = {1, 0x1c};
    content.ring_members.set(0);
    content.ring_members.set(1);
    content.joined = {5 * slots_max + slot, incarnation};
    content.accepted = content.joined.number;
    content.granting = grant_state::granted;
    content.value = {content.joined.number, content.ring, content.ring_members};
    content.renewal = 42;
    content.successor = {3, 0x20};
    content.vote = vote_state::yes;
    content.vote_epoch = content.joined.number;
    content.linger_ms = 13000;
    content.clock_ns = 123456789;
    content.granted_at_ns = 23456789;
    content.device = {0x0a0b, 0x0c0d};
    for (std::size_t peer = 0; peer < 4; ++peer) {
        content.echoes[peer] = {0xa0 + peer, 0xb0 + peer};
    }
    return content;
}

inline bytes quorum_block_of(const geometry& volume, const quorum_block& content) {
    bytes block(volume.block_bytes, std::byte{0xee});
    encode_quorum(block, volume, cluster, content);
    return block;
}

inline batch_identity identity(std::uint64_t position = 8192) {
    return {cluster, slot, incarnation, position};
}

// A sealed batch, exactly as long as it is on the volume.
inline bytes batch(const geometry& volume, const batch_identity& who,
                   const bytes& content = frames({5, 0, 32}), std::uint64_t first_sequence = 500) {
    bytes buffer(batch_length_bytes(volume, content.size()), std::byte{0xee});
    std::copy(content.begin(), content.end(), buffer.begin() + batch_header_bytes);
    seal_batch(buffer, volume, who, first_sequence, count_frames(content).value(), content.size());
    return buffer;
}

// Makes the checksum right again after an edit: for what a faulty or hostile writer could write.
inline void fix_checksum(bytes& block) {
    store_zeros(block, tag_at, 32);
    crc32c sum;
    sum.update(block);
    store(block, tag_at, sum.value());
}

template <class Number>
bytes with(bytes block, std::size_t offset, Number value) {
    store(std::span(block), offset, value);
    fix_checksum(block);
    return block;
}

// What a decoder said, as text: "accepted" or the error's name.
template <class Result>
std::string verdict(const Result& outcome) {
    return outcome ? "accepted" : error_name(static_cast<errc>(outcome.error().value()));
}

using tally = std::map<std::string, int>;
using judge = std::function<std::string(const bytes&)>;

// Flips each bit of [from, to) in turn and counts the verdicts.
inline tally flip_every_bit(bytes block, std::size_t from, std::size_t to, const judge& decide) {
    tally counted;
    for (std::size_t bit = from * 8; bit < to * 8; ++bit) {
        const auto mask = static_cast<std::byte>(1U << (bit % 8));
        block[bit / 8] ^= mask;
        ++counted[decide(block)];
        block[bit / 8] ^= mask;
    }
    return counted;
}

// Cuts the block off after each number of bytes in turn. The copies are exact allocations, so that
// the address sanitizer sees a read beyond their end.
inline tally truncate_everywhere(const bytes& block, const judge& decide) {
    tally counted;
    for (std::size_t size = 0; size < block.size(); ++size) {
        ++counted[decide(bytes(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(size)))];
    }
    return counted;
}

// Sets each byte of [from, to) to each other value, with a right checksum.
inline tally set_every_value(bytes block, std::size_t from, std::size_t to, const judge& decide) {
    tally counted;
    for (std::size_t at = from; at < to; ++at) {
        const std::byte original = block[at];
        for (unsigned value = 0; value < 256; ++value) {
            if (static_cast<std::byte>(value) == original) {
                continue;
            }
            block[at] = static_cast<std::byte>(value);
            fix_checksum(block);
            ++counted[decide(block)];
        }
        block[at] = original;
    }
    return counted;
}

// Seeded from DISKHB_SEED, or else differently each time; says with what when a test fails.
class random_edits {
  public:
    random_edits() : seed_(chosen_seed()), generator_(seed_) {}
    std::string seed_line() const { return "run again with DISKHB_SEED=" + std::to_string(seed_); }

    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(generator_);
    }
    // Overwrites 1 to 16 bytes in 1 to 4 places. Never leaves the block as it was.
    bytes edit(const bytes& block) {
        bytes edited = block;
        while (edited == block) {
            for (std::size_t place = below(4) + 1; place > 0; --place) {
                const std::size_t at = below(block.size());
                const std::size_t end = std::min(block.size(), at + 1 + below(16));
                for (std::size_t i = at; i < end; ++i) {
                    edited[i] = static_cast<std::byte>(below(256));
                }
            }
        }
        return edited;
    }

  private:
    static unsigned chosen_seed() {
        const char* text = std::getenv("DISKHB_SEED");
        return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10))
                               : std::random_device{}();
    }
    unsigned seed_;
    std::mt19937 generator_;
};

inline std::string hex(std::span<const std::byte> content) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte b : content) {
        text += digits[std::to_integer<unsigned>(b) >> 4];
        text += digits[std::to_integer<unsigned>(b) & 0xf];
    }
    return text;
}

}  // namespace diskhb::format::samples
