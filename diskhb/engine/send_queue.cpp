// SPDX-License-Identifier: BSD-3-Clause
#include "engine/send_queue.hpp"

#include <algorithm>

namespace diskhb::engine {

send_queue::send_queue(std::size_t capacity_bytes, std::size_t fill_bytes,
                       const routed_share& routed)
    : fill_bytes_(fill_bytes), routed_flush_bytes_(routed.flush_bytes) {
    for (auto& each : lanes_) {
        const bool is_routed = &each == &lanes_[static_cast<std::size_t>(packet_type::routed)];
        each.capacity_bytes = is_routed ? routed.queue_bytes : capacity_bytes;
        for (auto& buffer : each.buffers) {
            buffer = std::make_unique<std::byte[]>(each.capacity_bytes);
        }
    }
}

std::size_t send_queue::memory_bytes() const noexcept {
    std::size_t sum = 0;
    for (const auto& each : lanes_) {
        sum += each.capacity_bytes * each.buffers.size();
    }
    return sum;
}

boost::system::error_code send_queue::submit(packet_type type,
                                             const format::frame& content) noexcept {
    std::shared_ptr<waker> to_wake;
    {
        const std::lock_guard guard(lock_);
        lane& to = lanes_[static_cast<std::size_t>(type)];
        const std::size_t before = to.filled_bytes;
        if (!format::append_frame({to.buffers[to.filling].get(), to.capacity_bytes},
                                  to.filled_bytes, content)) {
            return errc::full;
        }
        queued_bytes_ += to.filled_bytes - before;
        const bool wanted = wake_when_ == wake_when::any_frame ||
                            (wake_when_ == wake_when::filled && queued_bytes_ >= fill_bytes_);
        if (wanted) {
            wake_when_ = wake_when::never;
            to_wake = std::move(waker_);
        }
    }
    if (to_wake) {
        to_wake->wake();
    }
    return {};
}

send_queue::level send_queue::filled() const noexcept {
    const std::lock_guard guard(lock_);
    return level_locked();
}

send_queue::level send_queue::arm(wake_when when, std::shared_ptr<waker> whom) noexcept {
    const std::lock_guard guard(lock_);
    wake_when_ = when;
    waker_ = std::move(whom);
    return level_locked();
}

send_queue::level send_queue::level_locked() const noexcept {
    level now{.bytes = 0, .oldest_ns = UINT64_MAX};
    for (const auto& each : lanes_) {
        now.bytes += each.filled_bytes + (each.drain_end - each.drain_begin);
        if (each.drain_begin != each.drain_end) {
            now.oldest_ns = std::min(now.oldest_ns, submitted_ns(draining(each)));
        } else if (each.filled_bytes != 0) {
            now.oldest_ns = std::min(
                now.oldest_ns, submitted_ns({each.buffers[each.filling].get(), each.filled_bytes}));
        }
    }
    return now;
}

bool send_queue::swap_if_drained(lane& of) noexcept {
    const std::lock_guard guard(lock_);
    of.filling = 1 - of.filling;
    of.drain_begin = 0;
    of.drain_end = of.filled_bytes;
    queued_bytes_ -= of.filled_bytes;
    of.filled_bytes = 0;
    return of.drain_end != 0;
}

std::uint64_t send_queue::submitted_ns(std::span<const std::byte> encoded) noexcept {
    return format::frame_reader(encoded).next()->submitted_ns;
}

}  // namespace diskhb::engine
