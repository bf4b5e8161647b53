// SPDX-License-Identifier: BSD-3-Clause
#include "stream_message.hpp"

#include <isa-l.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

namespace lab {

namespace {

// More than any run sends: a damaged sequence must not make the book grow without bound.
constexpr std::uint64_t sequences_max = 1ULL << 32;

std::uint32_t crc32c(std::span<const unsigned char> bytes, std::uint32_t start) {
    // ISA-L takes a pointer to non-const but only reads.
    return crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()),
                       start);
}

std::uint32_t message_crc(std::span<const unsigned char> message) {
    constexpr std::array<unsigned char, sizeof(std::uint32_t)> zero{};
    return crc32c(message.subspan(zero.size()), crc32c(zero, ~0U));
}

}  // namespace

std::int64_t now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void encode(const message_head& head, std::span<unsigned char> message) {
    // Odd multiplier: every sequence gives another pattern.
    std::uint64_t word = (head.sequence + head.node_id) * 0x9e3779b97f4a7c15ULL;
    std::span<unsigned char> rest = message.subspan(sizeof head);
    for (std::size_t at = 0; at < rest.size(); at += sizeof word) {
        std::memcpy(rest.data() + at, &word, std::min(sizeof word, rest.size() - at));
        word += 0x9e3779b97f4a7c15ULL;
    }
    message_head sealed = head;
    std::memcpy(message.data(), &sealed, sizeof sealed);
    sealed.crc32c = message_crc(message);
    std::memcpy(message.data(), &sealed, sizeof sealed);
}

std::optional<message_head> decode(std::span<const unsigned char> message, std::uint32_t node_id) {
    message_head head;
    if (message.size() < sizeof head) {
        return std::nullopt;
    }
    std::memcpy(&head, message.data(), sizeof head);
    const bool known = head.kind == message_kind::data || head.kind == message_kind::last;
    if (head.magic != message_head{}.magic || head.crc32c != message_crc(message) || !known ||
        head.node_id != node_id || head.sequence >= sequences_max) {
        return std::nullopt;
    }
    return head;
}

}  // namespace lab
