// SPDX-License-Identifier: BSD-3-Clause
// Frames: what batches and the inline area of a table block carry (doc/format.md, "Frames"). Pure
// functions over spans; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "diskhb/error.hpp"
#include "format/geometry.hpp"

namespace diskhb::format {

// Part of the format on disk: do not change the values.
enum class frame_kind : std::uint8_t {
    datagram = 1,      // at most once, may be lost
    message = 2,       // a piece of the reliable, ordered message service
    echo_request = 3,  // answered by the engine at the other end (diskhb ping)
    echo_reply = 4,
};

// Offsets: 0 length u32, 4 destination u16, 6 kind u8, 7 reserved u8 (zero), 8 submitted_ns u64;
// then the payload, padded with zeros to a multiple of 8.
inline constexpr std::size_t frame_header_bytes = 16;

struct frame {
    slot_index destination = every_slot;
    frame_kind kind = frame_kind::datagram;
    std::uint64_t submitted_ns = 0;      // by the writer's clock, comparable with clock_ns only
    std::span<const std::byte> payload;  // 0 .. max_payload_bytes
};

constexpr std::size_t frame_bytes(std::size_t payload_bytes) noexcept {
    return frame_header_bytes + (payload_bytes + 7) / 8 * 8;
}

// Appends at `offset`; false, and nothing written, if it does not fit. Advances offset.
bool append_frame(std::span<std::byte> area, std::size_t& offset, const frame& content) noexcept;

// Walks the frames of an area in order without copying. After an error it stays at the error.
class frame_reader {
  public:
    explicit frame_reader(std::span<const std::byte> area) noexcept : area_(area) {}
    bool at_end() const noexcept { return offset_ == area_.size(); }
    // malformed if a length leaves the area, a kind or the reserved byte is unknown or not zero.
    result<frame> next() noexcept;

  private:
    std::span<const std::byte> area_;
    std::size_t offset_ = 0;
};

// Walks all: the number of frames, or the first error.
result<std::uint32_t> count_frames(std::span<const std::byte> area) noexcept;

}  // namespace diskhb::format
