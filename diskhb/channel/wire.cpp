// SPDX-License-Identifier: BSD-3-Clause
#include "channel/wire.hpp"

#include <algorithm>

#include "format/assert.hpp"
#include "format/bytes.hpp"
#include "format/crc32c.hpp"

namespace diskhb::channels {
namespace {

using format::load;
using format::store;

constexpr char hello_magic[] = {'D', 'I', 'S', 'K', 'H', 'B', 'C', 'H'};
constexpr std::uint16_t wire_version = 1;

// Offsets in a hello: doc/channel.md.
constexpr std::size_t version_at = 8;
constexpr std::size_t length_at = 10;
constexpr std::size_t path_at = 12;
constexpr std::size_t hello_reserved_at = 13;
constexpr std::size_t life_at = 16;
constexpr std::size_t known_life_at = 24;
constexpr std::size_t hello_wanted_at = 32;
constexpr std::size_t window_at = 40;
constexpr std::size_t heartbeat_at = 48;
constexpr std::size_t from_node_at = 52;
constexpr std::size_t to_node_at = 56;
constexpr std::size_t cluster_length_at = 60;
constexpr std::size_t from_length_at = 61;
constexpr std::size_t to_length_at = 62;
constexpr std::size_t hello_reserved_2_at = 63;
constexpr std::size_t names_at = 64;
constexpr std::size_t checksum_bytes = 4;

// Offsets in a frame header.
constexpr std::size_t kind_at = 0;
constexpr std::size_t reserved_at = 1;
constexpr std::size_t payload_length_at = 4;
constexpr std::size_t sequence_at = 8;
constexpr std::size_t wanted_at = 16;
constexpr std::size_t received_at = 24;
constexpr std::size_t payload_crc_at = 32;
constexpr std::size_t header_crc_at = 36;

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_name(const std::string& text) {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

bool is_sound(const hello& content) {
    return is_name(content.cluster_name) && is_name(content.from.name) &&
           is_name(content.to.name) && content.from.node_id != 0 && content.to.node_id != 0 &&
           content.life != 0 && content.window_bytes != 0 && content.heartbeat_us != 0 &&
           content.heartbeat_us <= heartbeat_us_max &&
           (content.known_life != 0 || content.wanted == 0);
}

}  // namespace

std::uint32_t crc_of(std::span<const std::byte> payload) noexcept {
    format::crc32c sum;
    sum.update(payload);
    return sum.value();
}

std::vector<std::byte> encode_hello(const hello& content) {
    const std::string* const names[] = {&content.cluster_name, &content.from.name,
                                        &content.to.name};
    std::size_t size = names_at + checksum_bytes;
    for (const auto* name : names) {
        DISKHB_ASSERT(!name->empty() && name->size() <= name_bytes_max);
        size += name->size();
    }
    std::vector<std::byte> out(size);
    const std::span<std::byte> bytes(out);
    format::store_bytes(bytes, 0, std::as_bytes(std::span(hello_magic)));
    store(bytes, version_at, wire_version);
    store(bytes, length_at, static_cast<std::uint16_t>(size));
    store(bytes, path_at, static_cast<std::uint8_t>(content.which));
    store(bytes, life_at, content.life);
    store(bytes, known_life_at, content.known_life);
    store(bytes, hello_wanted_at, content.wanted);
    store(bytes, window_at, content.window_bytes);
    store(bytes, heartbeat_at, content.heartbeat_us);
    store(bytes, from_node_at, content.from.node_id);
    store(bytes, to_node_at, content.to.node_id);
    std::size_t at = names_at;
    for (std::size_t i = 0; i < std::size(names); ++i) {
        store(bytes, cluster_length_at + i, static_cast<std::uint8_t>(names[i]->size()));
        format::store_bytes(bytes, at, std::as_bytes(std::span(*names[i])));
        at += names[i]->size();
    }
    store(bytes, at, crc_of(bytes.first(at)));
    return out;
}

result<std::size_t> hello_length(std::span<const std::byte> prefix) noexcept {
    if (prefix.size() < hello_prefix_bytes) {
        return errc::truncated;
    }
    const auto magic = std::as_bytes(std::span(hello_magic));
    if (!std::equal(magic.begin(), magic.end(), prefix.begin())) {
        return errc::bad_magic;
    }
    if (load<std::uint16_t>(prefix, version_at) != wire_version) {
        return errc::other_version;
    }
    const std::size_t length = load<std::uint16_t>(prefix, length_at);
    if (length < names_at + checksum_bytes || length > hello_bytes_max) {
        return errc::malformed;
    }
    return length;
}

result<hello> decode_hello(std::span<const std::byte> bytes) {
    const auto length = hello_length(bytes);
    if (!length) {
        return length.error();
    }
    if (bytes.size() != *length) {
        return errc::truncated;
    }
    const std::size_t end = *length - checksum_bytes;
    if (load<std::uint32_t>(bytes, end) != crc_of(bytes.first(end))) {
        return errc::torn;
    }
    const std::size_t cluster = load<std::uint8_t>(bytes, cluster_length_at);
    const std::size_t from = load<std::uint8_t>(bytes, from_length_at);
    const std::size_t to = load<std::uint8_t>(bytes, to_length_at);
    const auto which = load<std::uint8_t>(bytes, path_at);
    if (names_at + cluster + from + to != end || which >= path_count ||
        !format::all_zero(bytes.subspan(hello_reserved_at, life_at - hello_reserved_at)) ||
        load<std::uint8_t>(bytes, hello_reserved_2_at) != 0) {
        return errc::malformed;
    }
    hello content;
    content.which = static_cast<path>(which);
    content.life = load<std::uint64_t>(bytes, life_at);
    content.known_life = load<std::uint64_t>(bytes, known_life_at);
    content.wanted = load<std::uint64_t>(bytes, hello_wanted_at);
    content.window_bytes = load<std::uint64_t>(bytes, window_at);
    content.heartbeat_us = load<std::uint32_t>(bytes, heartbeat_at);
    content.from.node_id = load<std::uint32_t>(bytes, from_node_at);
    content.to.node_id = load<std::uint32_t>(bytes, to_node_at);
    content.cluster_name = text_of(bytes.subspan(names_at, cluster));
    content.from.name = text_of(bytes.subspan(names_at + cluster, from));
    content.to.name = text_of(bytes.subspan(names_at + cluster + from, to));
    if (!is_sound(content)) {
        return errc::malformed;
    }
    return content;
}

header_bytes encode_header(const frame_header& content) noexcept {
    header_bytes out{};
    const std::span<std::byte> bytes(out);
    store(bytes, kind_at, static_cast<std::uint8_t>(content.kind));
    store(bytes, payload_length_at, content.length_bytes);
    store(bytes, sequence_at, content.sequence);
    store(bytes, wanted_at, content.wanted);
    store(bytes, received_at, content.received_bytes);
    store(bytes, payload_crc_at, content.payload_crc);
    store(bytes, header_crc_at, crc_of(bytes.first(header_crc_at)));
    return out;
}

result<frame_header> decode_header(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() < frame_header_bytes) {
        return errc::truncated;
    }
    if (load<std::uint32_t>(bytes, header_crc_at) != crc_of(bytes.first(header_crc_at))) {
        return errc::torn;
    }
    frame_header content;
    const auto kind = load<std::uint8_t>(bytes, kind_at);
    content.kind = static_cast<frame_kind>(kind);
    content.length_bytes = load<std::uint32_t>(bytes, payload_length_at);
    content.sequence = load<std::uint64_t>(bytes, sequence_at);
    content.wanted = load<std::uint64_t>(bytes, wanted_at);
    content.received_bytes = load<std::uint64_t>(bytes, received_at);
    content.payload_crc = load<std::uint32_t>(bytes, payload_crc_at);
    const bool is_message = content.kind == frame_kind::message;
    const bool is_empty =
        (content.kind == frame_kind::beat || content.kind == frame_kind::answer) &&
        content.length_bytes == 0 && content.sequence == 0 && content.payload_crc == 0;
    if ((!is_message && !is_empty) || content.length_bytes > max_message_bytes ||
        !format::all_zero(bytes.subspan(reserved_at, payload_length_at - reserved_at))) {
        return errc::malformed;
    }
    return content;
}

}  // namespace diskhb::channels
