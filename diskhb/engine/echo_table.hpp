// SPDX-License-Identifier: BSD-3-Clause
// Round trips under way: who waits for which echo. Any thread.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "diskhb/error.hpp"

namespace diskhb::engine {

class echo_table {
  public:
    // A token for a new request, 0 if too many are under way.
    std::uint64_t begin(std::uint64_t now_ns) noexcept {
        const std::lock_guard guard(lock_);
        for (auto& each : pending_) {
            if (each.token == 0) {
                each = {++last_token_, now_ns, 0};
                return each.token;
            }
        }
        return 0;
    }

    // The reply with that token has come.
    void complete(std::uint64_t token, std::uint64_t now_ns) noexcept {
        {
            const std::lock_guard guard(lock_);
            for (auto& each : pending_) {
                if (each.token == token && each.token != 0) {
                    each.done_ns = now_ns;
                }
            }
        }
        changed_.notify_all();
    }

    // Waits for the reply and ends the request. Error: timed_out.
    result<std::chrono::nanoseconds> wait(std::uint64_t token,
                                          std::chrono::nanoseconds timeout) noexcept {
        std::unique_lock guard(lock_);
        entry* const found = find(token);
        if (found == nullptr) {
            return errc::closed;
        }
        const bool done = changed_.wait_for(guard, timeout, [&] { return found->done_ns != 0; });
        const std::chrono::nanoseconds took(found->done_ns - found->begun_ns);
        found->token = 0;
        if (!done) {
            return errc::timed_out;
        }
        return took;
    }

  private:
    struct entry {
        std::uint64_t token = 0;
        std::uint64_t begun_ns = 0;
        std::uint64_t done_ns = 0;
    };
    entry* find(std::uint64_t token) noexcept {
        for (auto& each : pending_) {
            if (each.token == token) {
                return &each;
            }
        }
        return nullptr;
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::array<entry, 32> pending_{};
    std::uint64_t last_token_ = 0;
};

}  // namespace diskhb::engine
