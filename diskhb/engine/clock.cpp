// SPDX-License-Identifier: BSD-3-Clause
#include "engine/clock.hpp"

#include <sys/random.h>

#include <ctime>

#include "diskhb/error.hpp"

namespace diskhb::engine {

std::uint64_t system_clock::now_ns() const noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec) + 1;
}

std::uint64_t random_incarnation() {
    std::uint64_t drawn = 0;
    while (drawn == 0) {
        if (::getrandom(&drawn, sizeof drawn, 0) != static_cast<ssize_t>(sizeof drawn)) {
            throw setup_error(exit_failed, "cannot draw an incarnation: getrandom(2) failed");
        }
    }
    return drawn;
}

}  // namespace diskhb::engine
