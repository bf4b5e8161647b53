// SPDX-License-Identifier: BSD-3-Clause
// A signal that ends a verb early, after it has told what it knows. For the process as a whole.
#pragma once

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace diskhb::tools {

// Set by the handler, in whichever thread the signal comes.
inline std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // else no handler may touch it

// Without SA_RESTART: a call that waits ends with EINTR.
inline void catch_signals(std::initializer_list<int> signals) noexcept {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = true; };
    for (const int each : signals) {
        (void)sigaction(each, &action, nullptr);
    }
}

}  // namespace diskhb::tools
