// SPDX-License-Identifier: BSD-3-Clause
// What the engine's threads have in common: their set-up, their pauses, how they judge errors.
#pragma once

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "diskhb/node.hpp"
#include "io/block_device.hpp"

namespace diskhb::engine {

// After a loss, or while a volume is not there; while it must not be used; for its superblock.
inline constexpr std::chrono::nanoseconds reopen_pause = std::chrono::milliseconds(250);
inline constexpr std::chrono::nanoseconds refused_pause = std::chrono::seconds(2);
inline constexpr std::chrono::nanoseconds superblock_patience = std::chrono::seconds(5);

inline io::backend backend_of(io_backend wanted) noexcept {
    switch (wanted) {
        case io_backend::uring:
            return io::backend::uring;
        case io_backend::posix:
            return io::backend::posix;
        case io_backend::automatic:
            break;
    }
    return io::backend::automatic;
}

// The default slack of 50 us would be added to every sleep of a hot receiver (prctl(2)).
inline void set_up_thread(const char* name) noexcept {
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    ::pthread_setname_np(::pthread_self(), name);
}

// How long to wait until a time, but no longer than after which stopping is noticed in any case.
inline std::chrono::nanoseconds until(std::uint64_t at_ns, std::uint64_t now_ns) noexcept {
    constexpr std::chrono::nanoseconds longest = std::chrono::seconds(1);
    if (at_ns <= now_ns) {
        return std::chrono::nanoseconds(0);
    }
    return std::min(longest, std::chrono::nanoseconds(std::min<std::uint64_t>(
                                 at_ns - now_ns, static_cast<std::uint64_t>(longest.count()))));
}

// A volume that may not be used stays so until somebody acts; a missing one may come any moment.
inline bool is_refusal(const boost::system::error_code& error) noexcept {
    return error.category() == error_category() && error != errc::timed_out &&
           error != errc::io_failed;
}

}  // namespace diskhb::engine
