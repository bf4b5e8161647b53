// SPDX-License-Identifier: BSD-3-Clause
// How an engine thread sleeps and is woken: in its device channel while it has one, on a condition
// otherwise. wait() and use() belong to the thread; wake() to anybody. A wake is never lost.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "engine/send_queue.hpp"

namespace diskhb::engine {

class thread_waker final : public waker {
  public:
    // The channel to sleep in from now on; null for none. It must live until the next use().
    void use(io::channel* channel) noexcept {
        const std::lock_guard guard(lock_);
        channel_ = channel;
    }

    void wait(std::chrono::nanoseconds timeout) noexcept {
        if (channel_ != nullptr) {  // only this thread changes it
            channel_->wait(timeout);
            return;
        }
        std::unique_lock guard(lock_);
        changed_.wait_for(guard, timeout, [this] { return woken_; });
        woken_ = false;
    }

    void wake() noexcept override {
        const std::lock_guard guard(lock_);
        woken_ = true;
        if (channel_ != nullptr) {
            channel_->wake();
        } else {
            changed_.notify_one();
        }
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    io::channel* channel_ = nullptr;
    bool woken_ = false;
};

}  // namespace diskhb::engine
