// SPDX-License-Identifier: BSD-3-Clause
// Time and chance, passed in to everything that decides.
#pragma once

#include <cstdint>

namespace diskhb::engine {

// Nanoseconds of one node's clock: never goes backwards, goes on during suspend, and is never 0.
// Any thread.
class clock {
  public:
    virtual ~clock() = default;
    virtual std::uint64_t now_ns() const noexcept = 0;
};

// CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while the machine sleeps, so that frames which
// slept with it are too old afterwards.
class system_clock final : public clock {
  public:
    std::uint64_t now_ns() const noexcept override;
};

// 64 random bits, never 0, from getrandom(2). Throws setup_error if the kernel has none.
std::uint64_t random_incarnation();

// A step function's answer for "no need to call me before something happens".
inline constexpr std::uint64_t never_ns = UINT64_MAX;

}  // namespace diskhb::engine
