// SPDX-License-Identifier: BSD-3-Clause
// How many seeds a test of the simulation runs.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace diskhb::sim {

// `usual`, four times that in tests/run --soak, and few under a sanitizer, which is slow: it shall
// only have seen the code run. DISKHB_SIM_SEEDS overrides all.
inline std::uint64_t seeds_of(std::uint64_t usual) {
    if (const char* const wanted = std::getenv("DISKHB_SIM_SEEDS"); wanted != nullptr) {
        return std::strtoull(wanted, nullptr, 10);
    }
#if defined(__SANITIZE_THREAD__)
    usual = 3;
#elif defined(__SANITIZE_ADDRESS__)
    usual = 20;
#endif
    return std::getenv("DISKHB_SOAK") != nullptr ? 4 * usual : usual;
}

}  // namespace diskhb::sim
