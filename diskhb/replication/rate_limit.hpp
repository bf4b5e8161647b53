// SPDX-License-Identifier: BSD-3-Clause
// A limit of bytes a second that lets short bursts pass. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace diskhb::replication {

class rate_limit {
  public:
    // 0: no limit. burst_bytes: what may go at once after a pause; at least the longest I/O.
    rate_limit(std::uint64_t bytes_per_s, std::uint64_t burst_bytes) noexcept
        : bytes_per_s_(bytes_per_s), burst_ns_(time_of(burst_bytes)) {}

    // When something may be written; not after now_ns: now.
    std::uint64_t ready_ns() const noexcept { return paid_until_ns_; }
    bool is_ready(std::uint64_t now_ns) const noexcept { return paid_until_ns_ <= now_ns; }
    // So many bytes are written now, allowed or not.
    void take(std::uint64_t bytes, std::uint64_t now_ns) noexcept {
        const std::uint64_t earliest_ns = now_ns - std::min(now_ns, burst_ns_);
        paid_until_ns_ = std::max(paid_until_ns_, earliest_ns) + time_of(bytes);
    }

  private:
    std::uint64_t time_of(std::uint64_t bytes) const noexcept {
        return bytes_per_s_ == 0 ? 0
                                 : static_cast<std::uint64_t>(static_cast<double>(bytes) * 1e9 /
                                                              static_cast<double>(bytes_per_s_));
    }

    std::uint64_t bytes_per_s_;
    std::uint64_t burst_ns_;
    std::uint64_t paid_until_ns_ = 0;
};

}  // namespace diskhb::replication
