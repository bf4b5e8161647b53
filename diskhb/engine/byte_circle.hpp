// SPDX-License-Identifier: BSD-3-Clause
// A circle of bytes, first in first out, taken at construction. No locks: its owner has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "format/assert.hpp"

namespace diskhb::engine {

class byte_circle {
  public:
    explicit byte_circle(std::size_t capacity)
        : capacity_(capacity), bytes_(std::make_unique<std::byte[]>(capacity)) {}

    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t used() const noexcept { return used_; }
    std::size_t free() const noexcept { return capacity_ - used_; }

    void push(std::span<const std::byte> added) noexcept {
        DISKHB_ASSERT(added.size() <= free());
        if (added.empty()) {
            return;
        }
        const std::size_t at = (begin_ + used_) % capacity_;
        const std::size_t first = std::min(added.size(), capacity_ - at);
        std::memcpy(bytes_.get() + at, added.data(), first);
        std::memcpy(bytes_.get(), added.data() + first, added.size() - first);
        used_ += added.size();
    }

    // Copies what lies `skip` bytes behind the oldest byte.
    void peek(std::size_t skip, std::span<std::byte> out) const noexcept {
        DISKHB_ASSERT(skip <= used_ && out.size() <= used_ - skip);
        if (out.empty()) {
            return;
        }
        const std::size_t at = (begin_ + skip) % capacity_;
        const std::size_t first = std::min(out.size(), capacity_ - at);
        std::memcpy(out.data(), bytes_.get() + at, first);
        std::memcpy(out.data() + first, bytes_.get(), out.size() - first);
    }

    void drop(std::size_t count) noexcept {
        DISKHB_ASSERT(count <= used_);
        if (count != 0) {
            begin_ = (begin_ + count) % capacity_;
            used_ -= count;
        }
    }
    void clear() noexcept { drop(used_); }

  private:
    std::size_t capacity_;
    std::unique_ptr<std::byte[]> bytes_;
    std::size_t begin_ = 0;
    std::size_t used_ = 0;
};

}  // namespace diskhb::engine
