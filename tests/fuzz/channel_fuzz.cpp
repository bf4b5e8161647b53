// SPDX-License-Identifier: BSD-3-Clause
// The bytes that a channel gets from a connection: a hello, or a stream of frames into a session.
#include <algorithm>

#include "channel/frame_buffer.hpp"
#include "channel/session.hpp"
#include "fuzz_target.hpp"

namespace {

using namespace diskhb;
using namespace diskhb::channels;

void decode_greeting(std::span<const std::byte> bytes) {
    const auto said = decode_hello(bytes);
    if (said) {
        const auto again = encode_hello(*said);
        fuzz::require(std::ranges::equal(again, bytes),
                      "a hello is what encodes to the same bytes");
    }
}

// The checksums made right, so that what lies behind them is tried.
std::vector<std::byte> repaired(std::span<const std::byte> bytes) {
    std::vector<std::byte> stream(bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (stream.size() - at >= frame_header_bytes) {
        const std::span<std::byte> header(stream.data() + at, frame_header_bytes);
        const std::size_t length = format::load<std::uint32_t>(header, 4);
        const auto rest = stream.size() - at - frame_header_bytes;
        if (length <= rest && format::load<std::uint8_t>(header, 0) == 1) {
            const auto payload = std::span(stream).subspan(at + frame_header_bytes, length);
            format::store(header, 32, crc_of(payload));
        }
        format::store(header, 36, crc_of(header.first(36)));
        if (length > rest) {
            break;
        }
        at += frame_header_bytes + length;
    }
    return stream;
}

void take_stream(std::span<const std::byte> bytes) {
    session ours({1, 100'000'000, window_bytes_min}, 0);
    hello theirs;
    theirs.life = 2;
    theirs.window_bytes = window_bytes_min;
    theirs.heartbeat_us = 100'000;
    ours.on_connected(path::network, theirs, 0);
    static_cast<void>(ours.add(bytes.first(std::min<std::size_t>(bytes.size(), 8))));
    while (ours.next_output(path::network)) {
    }
    frame_buffer buffer;
    std::uint64_t expected = 0;
    while (!bytes.empty()) {
        const auto room = buffer.room();
        const auto size = std::min(room.size(), bytes.size());
        std::copy_n(bytes.begin(), size, room.begin());
        buffer.filled(size);
        ours.on_bytes(path::network, size);
        bytes = bytes.subspan(size);
        while (true) {
            const auto next = buffer.next();
            if (!next) {
                return;
            }
            if (!*next) {
                break;
            }
            const auto verdict = ours.on_frame(path::network, (*next)->header, 1);
            if (verdict == session::verdict::malformed) {
                return;
            }
            if (verdict == session::verdict::deliver) {
                fuzz::require((*next)->header.sequence == expected++, "messages come in order");
                fuzz::require((*next)->payload.size() <= max_message_bytes, "of a length allowed");
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    decode_greeting(bytes);
    take_stream(bytes);
    take_stream(repaired(bytes));
    return 0;
}
