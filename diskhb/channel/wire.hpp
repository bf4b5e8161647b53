// SPDX-License-Identifier: BSD-3-Clause
// What a channel puts on a connection: one hello from each side, then frames (doc/channel.md, "On
// the wire"). Bytes that come are trusted in nothing. Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "diskhb/error.hpp"
#include "diskhb/node.hpp"

namespace diskhb::channels {

enum class path : std::uint8_t { network = 0, volume = 1 };
inline constexpr std::size_t path_count = 2;
constexpr std::size_t index_of(path which) noexcept { return static_cast<std::size_t>(which); }
constexpr path other(path which) noexcept {
    return which == path::network ? path::volume : path::network;
}

struct endpoint {
    std::uint32_t node_id = 0;
    std::string name;
    auto operator<=>(const endpoint&) const = default;
};
inline constexpr std::size_t name_bytes_max = 255;
inline constexpr std::uint32_t heartbeat_us_max = 10'000'000;

// Who speaks, to whom, and how far it has come.
struct hello {
    std::string cluster_name;
    endpoint from;
    endpoint to;
    path which = path::network;
    std::uint64_t life = 0;        // random, never 0; another one with each process
    std::uint64_t known_life = 0;  // the other side's, as far as it is known; else 0
    std::uint64_t wanted = 0;      // of known_life: the number of the message to come next
    std::uint64_t window_bytes = 0;
    std::uint32_t heartbeat_us = 0;
    bool operator==(const hello&) const = default;
};

// The first bytes of a hello tell how long it is.
inline constexpr std::size_t hello_prefix_bytes = 12;
inline constexpr std::size_t hello_bytes_max = 64 + 3 * name_bytes_max + 4;

// REQUIRES: names of 1 .. name_bytes_max bytes.
std::vector<std::byte> encode_hello(const hello& content);
// The length of a whole hello. Errors: truncated, bad_magic, other_version, malformed.
result<std::size_t> hello_length(std::span<const std::byte> prefix) noexcept;
// Errors: besides those, torn (checksum), malformed (a field out of range).
result<hello> decode_hello(std::span<const std::byte> bytes);

enum class frame_kind : std::uint8_t {
    message = 1,
    beat = 2,    // no payload, only what each header carries; to be answered at once
    answer = 3,  // the same, not to be answered
};

// Every frame says how far its sender has come, so that data, beats and acknowledgements are one.
struct frame_header {
    frame_kind kind = frame_kind::beat;
    std::uint32_t length_bytes = 0;    // of the payload, 0 .. max_message_bytes
    std::uint64_t sequence = 0;        // of a message; else 0
    std::uint64_t wanted = 0;          // every message before this one has been taken
    std::uint64_t received_bytes = 0;  // of frames, on this connection: the proof that it carries
    std::uint32_t payload_crc = 0;     // CRC32C
    bool operator==(const frame_header&) const = default;
};
inline constexpr std::size_t frame_header_bytes = 40;
using header_bytes = std::array<std::byte, frame_header_bytes>;

header_bytes encode_header(const frame_header& content) noexcept;
// Errors: truncated, torn (checksum), malformed.
result<frame_header> decode_header(std::span<const std::byte> bytes) noexcept;

std::uint32_t crc_of(std::span<const std::byte> payload) noexcept;

}  // namespace diskhb::channels
