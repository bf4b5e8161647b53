// SPDX-License-Identifier: BSD-3-Clause
// The counters of one node, added to by any thread. A count never orders anything: all accesses
// are relaxed.
#pragma once

#include <array>
#include <atomic>

#include "diskhb/error.hpp"
#include "diskhb/statistics.hpp"

namespace diskhb::ring {

class counters {
  public:
    void add(counter which, std::uint64_t amount = 1) noexcept {
        values_[static_cast<std::size_t>(which)].fetch_add(amount, std::memory_order_relaxed);
    }
    std::uint64_t get(counter which) const noexcept {
        return values_[static_cast<std::size_t>(which)].load(std::memory_order_relaxed);
    }
    // Counts a block that failed its checks, by kind. Errors of other kinds are not blocks'.
    void add_rejected(errc kind) noexcept;

  private:
    std::array<std::atomic<std::uint64_t>, counter_count> values_{};
};

}  // namespace diskhb::ring
