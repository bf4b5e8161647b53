// SPDX-License-Identifier: BSD-3-Clause
// A running node's thread for one copy that peers are read from: opens it, keeps it open, steps its
// receiver. It hangs, fails and comes back by itself; no other thread waits for it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/ring_engine.hpp"
#include "engine/thread_waker.hpp"
#include "io/block_device.hpp"

namespace diskhb::engine {

// What of the node it needs; must outlive it.
struct area_context {
    const node_options* options = nullptr;
    const clock* time = nullptr;
    ring::counters* counts = nullptr;
    // The ring engine, null before the send volume was found. Any thread.
    std::function<ring_engine*()> engine;
};

class receive_area {
  public:
    // index: of node_options::receive_from.
    receive_area(const area_context& context, std::size_t index);

    // The body of its thread: returns once `stopping` was set and wake() called.
    void run(const std::atomic<bool>& stopping);

    // Any thread.
    void wake() noexcept { waker_->wake(); }
    receive_area_status status() const;
    void on_stopped();

  private:
    bool open();
    void close() noexcept;
    bool step();
    void become(ring_state state, const std::string& error);
    void report(const boost::system::error_code& error);
    std::size_t area() const noexcept { return index_ + 1; }
    const receive_volume& wanted() const noexcept { return context_.options->receive_from[index_]; }

    area_context context_;
    std::size_t index_;
    io::path_source source_;
    std::shared_ptr<thread_waker> waker_ = std::make_shared<thread_waker>();

    // The thread's own.
    std::unique_ptr<io::block_device> device_;
    std::unique_ptr<io::channel> channel_;
    bool was_open_ = false;

    mutable std::mutex lock_;  // guards what follows
    ring_state state_ = ring_state::waiting_for_volume;
    std::string error_;
    std::string uuid_;
};

}  // namespace diskhb::engine
