// SPDX-License-Identifier: BSD-3-Clause
// The book that a receiver keeps of one sender of numbered messages, and of how long they took.
// Times are of any one monotonic clock, in ns. Not thread-safe: one thread receives.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace diskhb::corosync {

// Latencies in steps of 3 % and less; percentiles are upper bounds.
class latency_histogram {
  public:
    void add(std::int64_t ns);
    void clear() { *this = latency_histogram{}; }
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
    // sequences_max: an honest sender sends fewer; a damaged sequence must not make the book grow
    // without bound. What is not below it counts as corrupt.
    explicit sender_record(std::uint64_t sequences_max = 1ULL << 32)
        : sequences_max_(sequences_max) {}

    // sequence: 0, 1, ... in the order of sending.
    void accept(std::uint64_t sequence, std::int64_t at_ns);
    // The sender says that this was the last, and how many there were.
    void accept_last(std::uint64_t count, std::int64_t at_ns);
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
    std::int64_t last_at_ns() const { return last_at_ns_; }  // 0: nothing came yet

  private:
    void note_delivery(std::int64_t at_ns);

    std::uint64_t sequences_max_;
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

}  // namespace diskhb::corosync
