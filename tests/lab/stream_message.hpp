// SPDX-License-Identifier: BSD-3-Clause
// The message of cpg_stream. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace lab {

// Times are CLOCK_MONOTONIC of the machine, which all namespaces share.
std::int64_t now_ns() noexcept;

enum class message_kind : std::uint32_t { data = 1, last = 2 };

// A message's head; the rest is a pattern of the node and the sequence.
struct message_head {
    std::uint32_t crc32c = 0;  // over the whole message with this field as zero
    std::uint32_t magic = 0x64686273;
    message_kind kind = message_kind::data;
    std::uint32_t node_id = 0;
    std::uint64_t sequence = 0;  // 0, 1, ... ; in the last message, how many there were
    std::int64_t sent_ns = 0;    // when it was due, or, in a flood, when it was first offered
};
static_assert(sizeof(message_head) == 32);

// Fills a whole message; `message` has at least the head's size.
void encode(const message_head& head, std::span<unsigned char> message);
// The head of an intact message of that node, nothing of any other.
std::optional<message_head> decode(std::span<const unsigned char> message, std::uint32_t node_id);

}  // namespace lab
