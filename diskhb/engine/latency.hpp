// SPDX-License-Identifier: BSD-3-Clause
// A histogram of durations in buckets about 9 % wide (eight a power of two). One thread records,
// any thread reads; relaxed, since a percentile orders nothing.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace diskhb::engine {

class latency_histogram {
  public:
    void record(std::uint64_t duration_ns) noexcept {
        buckets_[bucket_of(duration_ns)].fetch_add(1, std::memory_order_relaxed);
    }

    // The upper bound of the bucket that holds the given share (0 .. 1); 0 if nothing was recorded.
    std::uint64_t percentile_ns(double share) const noexcept {
        std::uint64_t total = 0;
        for (const auto& bucket : buckets_) {
            total += bucket.load(std::memory_order_relaxed);
        }
        const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total));
        std::uint64_t seen = 0;
        for (std::size_t index = 0; index < buckets_.size(); ++index) {
            seen += buckets_[index].load(std::memory_order_relaxed);
            if (seen > wanted || (seen == total && total != 0)) {
                return upper_ns(index);
            }
        }
        return 0;
    }

  private:
    static constexpr unsigned steps_bits = 3;

    static std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < (1U << steps_bits)) {
            return static_cast<std::size_t>(value);
        }
        const auto power = static_cast<unsigned>(std::bit_width(value)) - 1 - steps_bits;
        return (std::size_t{power} + 1) * (1U << steps_bits) +
               static_cast<std::size_t>((value >> power) & ((1U << steps_bits) - 1));
    }
    static std::uint64_t upper_ns(std::size_t index) noexcept {
        if (index < (1U << steps_bits)) {
            return index;
        }
        const std::size_t power = index / (1U << steps_bits) - 1;
        const std::uint64_t step = index % (1U << steps_bits);
        return (((1ULL << steps_bits) + step + 1) << power) - 1;
    }

    std::array<std::atomic<std::uint64_t>, 64 << steps_bits> buckets_{};
};

}  // namespace diskhb::engine
