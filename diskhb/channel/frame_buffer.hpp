// SPDX-License-Identifier: BSD-3-Clause
// Cuts the bytes of a connection into frames, without copying them. Pure; one thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "channel/wire.hpp"

namespace diskhb::channels {

class frame_buffer {
  public:
    // Where to put what comes next; never empty. Ends the life of payloads given before.
    std::span<std::byte> room() noexcept {
        if (begin_ == end_) {
            begin_ = end_ = 0;
        } else if (capacity_bytes - end_ < wanted_bytes()) {
            std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        return {bytes_.get() + end_, std::min(capacity_bytes - end_, read_bytes_most)};
    }
    void filled(std::size_t bytes) noexcept { end_ += bytes; }

    struct found {
        frame_header header;
        std::span<const std::byte> payload;  // until the next room()
    };
    // The next whole frame whose checksums hold; none: more bytes are needed. After an error
    // (torn, malformed) nothing more can be read from the connection.
    result<std::optional<found>> next() noexcept {
        const std::span<const std::byte> rest(bytes_.get() + begin_, end_ - begin_);
        if (rest.size() < frame_header_bytes) {
            return std::optional<found>();
        }
        const auto header = decode_header(rest);
        if (!header) {
            return header.error();
        }
        if (rest.size() - frame_header_bytes < header->length_bytes) {
            return std::optional<found>();
        }
        const auto payload = rest.subspan(frame_header_bytes, header->length_bytes);
        if (header->kind == frame_kind::message && crc_of(payload) != header->payload_crc) {
            return errc::torn;
        }
        begin_ += frame_header_bytes + payload.size();
        return std::optional(found{*header, payload});
    }

    // Whether next() has found the header of a message whose bytes are not all there yet.
    bool has_part_of_message() const noexcept { return end_ - begin_ >= frame_header_bytes; }

  private:
    static constexpr std::size_t read_bytes_least = 64 * 1024;
    // What is read is looked at while it is in a near cache.
    static constexpr std::size_t read_bytes_most = 256 * 1024;
    static constexpr std::size_t capacity_bytes =
        frame_header_bytes + max_message_bytes + 4 * read_bytes_least;

    // So much should fit behind what is there: a frame that has begun, and a good read.
    std::size_t wanted_bytes() const noexcept {
        const std::size_t here = end_ - begin_;
        if (here >= frame_header_bytes) {
            const auto header = decode_header({bytes_.get() + begin_, here});
            if (header && frame_header_bytes + header->length_bytes > here) {
                return std::max(read_bytes_least, frame_header_bytes + header->length_bytes - here);
            }
        }
        return read_bytes_least;
    }

    // Pages that no frame needed are never touched.
    std::unique_ptr<std::byte[]> bytes_ =
        std::make_unique_for_overwrite<std::byte[]>(capacity_bytes);
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace diskhb::channels
