// SPDX-License-Identifier: BSD-3-Clause
#include "engine/receive_queue.hpp"

namespace diskhb::engine {

receive_queue::receive_queue(std::size_t capacity_bytes)
    : records_(capacity_bytes), closed_(capacity_bytes == 0) {}

bool receive_queue::put(std::uint32_t from, std::span<const std::byte> payload) noexcept {
    const record_header header{from, static_cast<std::uint32_t>(payload.size())};
    {
        const std::lock_guard guard(lock_);
        if (closed_ || records_.free() < sizeof header + payload.size()) {
            return false;
        }
        records_.push(std::as_bytes(std::span(&header, 1)));
        records_.push(payload);
    }
    changed_.notify_one();
    return true;
}

result<received> receive_queue::take(std::span<std::byte> into,
                                     std::chrono::nanoseconds timeout) noexcept {
    std::unique_lock guard(lock_);
    const auto ready = [this] { return records_.used() > 0 || closed_; };
    // Who does not want to wait is not made to: a wait for no time still calls the kernel.
    if (!ready() && (timeout.count() <= 0 || !changed_.wait_for(guard, timeout, ready))) {
        return errc::timed_out;
    }
    if (records_.used() == 0) {
        return errc::closed;
    }
    record_header header;
    records_.peek(0, std::as_writable_bytes(std::span(&header, 1)));
    if (into.size() < header.size) {
        return errc::too_long;
    }
    records_.peek(sizeof header, into.first(header.size));
    records_.drop(sizeof header + header.size);
    return received{header.from, header.size};
}

void receive_queue::close() noexcept {
    {
        const std::lock_guard guard(lock_);
        closed_ = true;
    }
    changed_.notify_all();
}

}  // namespace diskhb::engine
