// SPDX-License-Identifier: BSD-3-Clause
// Where the receiver writes down what it has read from each peer, and the flusher takes it from
// for the next table block: acknowledgement rides on the data. Any thread.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/send_queue.hpp"
#include "format/table_block.hpp"

namespace diskhb::engine {

class acknowledgement_board {
  public:
    explicit acknowledgement_board(std::size_t slots) : entries_(slots) {}

    void set(format::slot_index peer, const format::acknowledgement& read) noexcept {
        const std::lock_guard guard(lock_);
        entries_[peer] = read;
    }

    // Our life has ended. The next one has read nothing, also where a receiver hangs in its volume
    // and does not write it down.
    void forget() noexcept {
        const std::lock_guard guard(lock_);
        std::fill(entries_.begin(), entries_.end(), format::acknowledgement());
    }

    // Asks for a table block by then; wakes the flusher if it must hurry more than it was told.
    void want_by(std::uint64_t by_ns) noexcept {
        std::shared_ptr<waker> to_wake;
        {
            const std::lock_guard guard(lock_);
            if (wanted_by_ns_ && *wanted_by_ns_ <= by_ns) {
                return;
            }
            wanted_by_ns_ = by_ns;
            to_wake = flusher_;
        }
        if (to_wake) {
            to_wake->wake();
        }
    }

    void set_flusher(std::shared_ptr<waker> flusher) {
        const std::lock_guard guard(lock_);
        flusher_ = std::move(flusher);
    }

    std::optional<std::uint64_t> wanted_by_ns() const noexcept {
        const std::lock_guard guard(lock_);
        return wanted_by_ns_;
    }

    // For a table block about to be written: all entries; the wish is fulfilled.
    void take(std::span<format::acknowledgement> out) noexcept {
        const std::lock_guard guard(lock_);
        std::copy(entries_.begin(), entries_.end(), out.begin());
        wanted_by_ns_.reset();
    }

  private:
    mutable std::mutex lock_;
    std::vector<format::acknowledgement> entries_;
    std::optional<std::uint64_t> wanted_by_ns_;
    std::shared_ptr<waker> flusher_;
};

}  // namespace diskhb::engine
