// SPDX-License-Identifier: BSD-3-Clause
// The receive buffer: what has come for this node and waits for a client's receive call. One
// circle of bytes, taken at construction; records of a sender and a payload.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>

#include "diskhb/node.hpp"
#include "engine/byte_circle.hpp"

namespace diskhb::engine {

class receive_queue {
  public:
    // 0: every put is refused, and every take says closed.
    explicit receive_queue(std::size_t capacity_bytes);

    // Any thread. False if there is no room.
    bool put(std::uint32_t from, std::span<const std::byte> payload) noexcept;

    // Any thread. Errors: timed_out, closed, too_long (the record stays).
    result<received> take(std::span<std::byte> into, std::chrono::nanoseconds timeout) noexcept;

    // Wakes all takers; what is queued can still be taken.
    void close() noexcept;

    std::size_t memory_bytes() const noexcept { return records_.capacity(); }

  private:
    struct record_header {
        std::uint32_t from = 0;
        std::uint32_t size = 0;
    };

    byte_circle records_;
    std::mutex lock_;
    std::condition_variable changed_;
    bool closed_ = false;
};

}  // namespace diskhb::engine
