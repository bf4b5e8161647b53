// SPDX-License-Identifier: BSD-3-Clause
// Random numbers for simulations: the same from the same seed, on every machine.
#pragma once

#include <cstdint>

namespace diskhb::io {

// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
// OOPSLA 2014): every input bit changes each output bit with probability one half.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

class sim_random {
  public:
    explicit sim_random(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15ULL); }
    // 0 .. bound-1; 0 if bound is 0. The bias of the remainder does not matter here.
    std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        return low + below(high - low + 1);
    }
    bool chance(double probability) noexcept {
        return static_cast<double>(next() >> 11) < probability * static_cast<double>(1ULL << 53);
    }

  private:
    std::uint64_t state_;
};

}  // namespace diskhb::io
