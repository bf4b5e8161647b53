// SPDX-License-Identifier: BSD-3-Clause
// For tests of real nodes with their threads.
#pragma once

#include <chrono>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "diskhb/node.hpp"

namespace diskhb::test {

// Polls a condition that other threads bring about; the deadline is generous, the wait short.
inline bool eventually(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         std::chrono::steady_clock::now() < end;) {
        if (condition()) {
            return true;
        }
        std::this_thread::yield();
    }
    return false;
}

inline node_options quick_options(std::uint32_t id, std::vector<std::uint32_t> peers,
                                  io_backend backend) {
    node_options chosen;
    chosen.node_id = id;
    chosen.peers = std::move(peers);
    chosen.backend = backend;
    // Sanitizers and a busy machine are slow; what uses this does not test the TTL.
    chosen.ttl = std::chrono::seconds(5);
    chosen.beat_interval = std::chrono::milliseconds(20);
    chosen.peer_timeout = std::chrono::seconds(2);
    chosen.queue_bytes = 2 << 20;  // ThreadSanitizer takes long to clear memory
    chosen.receive_bytes = 1 << 20;
    chosen.message_window_bytes = 2 << 20;
    return chosen;
}

}  // namespace diskhb::test
