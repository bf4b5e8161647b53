// SPDX-License-Identifier: BSD-3-Clause
// The message of cpg_stream and the book that a receiver keeps of one sender. Not thread-safe:
// one thread receives.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

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

// Latencies in steps of 3 % and less; percentiles are upper bounds.
class histogram {
  public:
    void add(std::int64_t ns);
    void clear() { *this = histogram{}; }
    std::int64_t percentile_us(double fraction) const;
    std::int64_t max_us() const { return max_us_; }

  private:
    static constexpr std::uint64_t steps = 32;  // in each power of two
    std::array<std::uint32_t, steps * 40> counts_{};
    std::uint64_t total_ = 0;
    std::int64_t max_us_ = 0;
};

// What came from one sender.
class sender_record {
  public:
    void accept(const message_head& head, std::int64_t at_ns);
    void count_corrupt() { ++corrupt_; }
    // Counts the silence since the last delivery as a gap too, if the sender has not ended.
    void close(std::int64_t at_ns);

    std::uint64_t received() const { return received_; }  // each message once
    std::uint64_t duplicated() const { return duplicated_; }
    std::uint64_t reordered() const { return reordered_; }  // came after a later one
    std::uint64_t corrupt() const { return corrupt_; }
    // Of those known to have been sent: all, once the last message is here.
    std::uint64_t lost() const { return sent().value_or(seen_.size()) - received_; }
    std::optional<std::uint64_t> sent() const { return sent_; }
    std::int64_t longest_gap_ns() const { return longest_gap_ns_; }
    std::int64_t longest_gap_at_ns() const { return longest_gap_at_ns_; }

  private:
    void note_delivery(std::int64_t at_ns);

    std::vector<bool> seen_;
    std::uint64_t received_ = 0;
    std::uint64_t duplicated_ = 0;
    std::uint64_t reordered_ = 0;
    std::uint64_t corrupt_ = 0;
    std::optional<std::uint64_t> sent_;
    std::int64_t last_at_ns_ = 0;
    std::int64_t longest_gap_ns_ = 0;
    std::int64_t longest_gap_at_ns_ = 0;
};

}  // namespace lab
