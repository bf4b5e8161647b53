// SPDX-License-Identifier: BSD-3-Clause
// When the receiver reads the node table next: often while data flows, then backing off to the
// idle interval. Pure; owned by the receiver's thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace diskhb::engine {

struct poll_settings {
    std::uint64_t hot_ns = 0;       // interval while hot; 0 reads back to back
    std::uint64_t hot_time_ns = 0;  // stays hot for this long after the last activity
    std::uint64_t idle_ns = 0;      // the longest interval
};

class poll_policy {
  public:
    explicit poll_policy(const poll_settings& settings) noexcept : settings_(settings) {}

    // Frames came, or we sent some: answers may come soon.
    void on_activity(std::uint64_t now_ns) noexcept {
        hot_until_ns_ = now_ns + settings_.hot_time_ns;
    }

    // After a read that was due at due_ns: when to issue the next one.
    std::uint64_t next_ns(std::uint64_t due_ns, std::uint64_t now_ns) noexcept {
        // Intervals are counted from issue to issue: what a read takes is not added, and the idle
        // load is what the settings say. Doubling reaches the idle interval within a few polls.
        constexpr std::uint64_t first_step_ns = 100'000;
        const std::uint64_t wanted_ns =
            now_ns < hot_until_ns_ ? settings_.hot_ns : std::max(interval_ns_ * 2, first_step_ns);
        interval_ns_ = std::min(wanted_ns, settings_.idle_ns);
        return std::max(now_ns, due_ns + interval_ns_);
    }

    bool is_idle() const noexcept { return interval_ns_ >= settings_.idle_ns; }

  private:
    poll_settings settings_;
    std::uint64_t hot_until_ns_ = 0;
    std::uint64_t interval_ns_ = 0;
};

}  // namespace diskhb::engine
