// SPDX-License-Identifier: BSD-3-Clause
// What clients have submitted and the flusher has not written yet: for each packet type two
// buffers of encoded frames. Clients append to the one while the flusher drains the other; they
// are swapped when the drained one is empty. Clients hold the lock for the time of a copy only.
// Routed frames have a share of their own, so that a flood of them delays no other by more than
// the writing of that share. Memory is taken in the constructor.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "diskhb/node.hpp"
#include "format/frame.hpp"
#include "io/block_device.hpp"

namespace diskhb::engine {

// What wakes a thread that waits: a channel, or a plain condition when there is no device.
class waker {
  public:
    virtual ~waker() = default;
    virtual void wake() noexcept = 0;
};

// The bounds of routed frames.
struct routed_share {
    std::size_t queue_bytes = 0;  // of each of the two buffers; 0: no routed frames are taken
    std::size_t flush_bytes = 0;  // the most in one drain, encoded; a frame must fit
};

class send_queue {
  public:
    // capacity_bytes: of each of the two buffers of each other type.
    send_queue(std::size_t capacity_bytes, std::size_t fill_bytes, const routed_share& routed = {});

    // Any thread. Copies the frame; wakes the flusher if it wants to know. Error: full.
    boost::system::error_code submit(packet_type type, const format::frame& content) noexcept;

    // How the flusher is to be woken by the next submit: set by the flusher before it sleeps.
    enum class wake_when { never, any_frame, filled };

    // The rest is for the flusher's thread.

    struct level {
        std::size_t bytes = 0;        // encoded, all types
        std::uint64_t oldest_ns = 0;  // submission of the oldest frame; valid if bytes > 0
    };
    level filled() const noexcept;
    // Arms the wake and returns the level seen under the same lock: a frame submitted later wakes.
    level arm(wake_when when, std::shared_ptr<waker> whom) noexcept;

    // Moves whole frames, oldest first within a type and control before cluster before bulk before
    // the share of routed, into `area` from `offset` on until one does not fit or all are moved.
    // Frames submitted before
    // `oldest_ns` are dropped. on_moved(frame) is called for each frame moved, on_expired(frame)
    // for each dropped.
    template <class Moved, class Expired>
    void drain(std::span<std::byte> area, std::size_t& offset, std::uint64_t oldest_ns,
               Moved&& on_moved, Expired&& on_expired) {
        for (auto& each : lanes_) {
            const bool is_routed = &each == &lanes_[static_cast<std::size_t>(packet_type::routed)];
            const std::size_t room =
                is_routed ? std::min(area.size(), offset + routed_flush_bytes_) : area.size();
            if (!drain_lane(each, area.first(room), offset, oldest_ns, on_moved, on_expired)) {
                return;
            }
        }
    }

    std::size_t memory_bytes() const noexcept;

  private:
    struct lane {
        std::size_t capacity_bytes = 0;
        std::array<std::unique_ptr<std::byte[]>, 2> buffers;
        std::size_t filling = 0;       // index of the buffer that clients append to
        std::size_t filled_bytes = 0;  // in it; under the lock
        std::size_t drain_begin = 0;   // in the other: the flusher's alone
        std::size_t drain_end = 0;
    };
    bool swap_if_drained(lane& of) noexcept;
    std::span<const std::byte> draining(const lane& of) const noexcept {
        return {of.buffers[1 - of.filling].get() + of.drain_begin, of.drain_end - of.drain_begin};
    }
    static std::uint64_t submitted_ns(std::span<const std::byte> encoded) noexcept;
    level level_locked() const noexcept;

    template <class Moved, class Expired>
    bool drain_lane(lane& from, std::span<std::byte> area, std::size_t& offset,
                    std::uint64_t oldest_ns, Moved& on_moved, Expired& on_expired) {
        while (from.drain_begin != from.drain_end || swap_if_drained(from)) {
            format::frame_reader frames(draining(from));
            const format::frame next = *frames.next();
            if (next.submitted_ns < oldest_ns) {
                on_expired(next);
            } else if (format::append_frame(area, offset, next)) {
                on_moved(next);
            } else {
                return false;
            }
            from.drain_begin += format::frame_bytes(next.payload.size());
        }
        return true;
    }

    std::size_t fill_bytes_;
    std::size_t routed_flush_bytes_;
    mutable std::mutex lock_;  // guards lanes' filling side and the two below
    std::array<lane, packet_type_count> lanes_;
    wake_when wake_when_ = wake_when::never;
    std::shared_ptr<waker> waker_;
    std::size_t queued_bytes_ = 0;  // in the filling buffers, all types
};

}  // namespace diskhb::engine
