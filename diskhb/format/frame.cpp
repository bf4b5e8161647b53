// SPDX-License-Identifier: BSD-3-Clause
#include "format/frame.hpp"

#include "format/bytes.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t length_at = 0;
constexpr std::size_t destination_at = 4;
constexpr std::size_t kind_at = 6;
constexpr std::size_t reserved_at = 7;
constexpr std::size_t submitted_at = 8;

bool known(std::uint8_t kind) noexcept {
    return kind >= static_cast<std::uint8_t>(frame_kind::datagram) &&
           kind <= static_cast<std::uint8_t>(frame_kind::echo_reply);
}

}  // namespace

bool append_frame(std::span<std::byte> area, std::size_t& offset, const frame& content) noexcept {
    const std::size_t size = content.payload.size();
    if (size > max_payload_bytes || offset > area.size() ||
        area.size() - offset < frame_bytes(size)) {
        return false;
    }
    const auto target = area.subspan(offset, frame_bytes(size));
    store(target, length_at, static_cast<std::uint32_t>(size));
    store(target, destination_at, content.destination);
    store(target, kind_at, static_cast<std::uint8_t>(content.kind));
    store(target, reserved_at, std::uint8_t{0});
    store(target, submitted_at, content.submitted_ns);
    store_bytes(target, frame_header_bytes, content.payload);
    store_zeros(target, frame_header_bytes + size, target.size() - frame_header_bytes - size);
    offset += target.size();
    return true;
}

result<frame> frame_reader::next() noexcept {
    const auto rest = area_.subspan(offset_);
    if (rest.size() < frame_header_bytes) {
        return errc::malformed;
    }
    const auto size = load<std::uint32_t>(rest, length_at);
    const auto kind = load<std::uint8_t>(rest, kind_at);
    if (size > max_payload_bytes || frame_bytes(size) > rest.size() || !known(kind) ||
        load<std::uint8_t>(rest, reserved_at) != 0) {
        return errc::malformed;
    }
    frame content;
    content.destination = load<std::uint16_t>(rest, destination_at);
    content.kind = static_cast<frame_kind>(kind);
    content.submitted_ns = load<std::uint64_t>(rest, submitted_at);
    content.payload = rest.subspan(frame_header_bytes, size);
    offset_ += frame_bytes(size);
    return content;
}

result<std::uint32_t> count_frames(std::span<const std::byte> area) noexcept {
    frame_reader frames(area);
    std::uint32_t count = 0;
    while (!frames.at_end()) {
        const auto next = frames.next();
        if (!next) {
            return next.error();
        }
        ++count;
    }
    return count;
}

}  // namespace diskhb::format
