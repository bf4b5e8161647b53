// SPDX-License-Identifier: BSD-3-Clause
#include "io/uring_channel.hpp"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <vector>

#include "io/alignment.hpp"

namespace diskhb::io {
namespace {

// user_data of requests is the index of their entry in flight_; the read of the eventfd has this.
constexpr std::uint64_t wake_token = ~0ULL;

// Flags from the newest kernels to the oldest: 6.1 with completions run by the issuer when it asks
// for them, 5.19 without interrupts between processors, then none. Started disabled where a single
// issuer is named, since that is the thread that enables the ring.
constexpr unsigned setup_flags[] = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_R_DISABLED,
};

// The kernel may map a new ring where another thread's ring was until now, and orders the two.
// liburing calls it without libc, where ThreadSanitizer cannot see that: said here in its terms.
std::atomic<unsigned> mappings_ended{0};

void close_ring(io_uring& ring) noexcept {
    mappings_ended.fetch_add(1, std::memory_order_release);
    io_uring_queue_exit(&ring);
}

bool open_ring(io_uring& ring, unsigned entries) noexcept {
    for (const unsigned flags : setup_flags) {
        io_uring_params parameters{};
        parameters.flags = flags;
        const int outcome = io_uring_queue_init_params(entries, &ring, &parameters);
        if (outcome == 0) {
            // Without it a wait with a timeout would need an entry of its own in the queue.
            if ((parameters.features & IORING_FEAT_EXT_ARG) != 0) {
                (void)mappings_ended.load(std::memory_order_acquire);
                return true;
            }
            close_ring(ring);
            return false;
        }
        if (outcome != -EINVAL) {
            return false;
        }
    }
    return false;
}

class uring_channel final : public channel {
  public:
    // Takes over ring and eventfd.
    uring_channel(std::shared_ptr<const open_file> file, const io_uring& ring, int eventfd,
                  unsigned depth, std::uint32_t block_bytes)
        : file_(std::move(file)),
          ring_(ring),
          eventfd_(eventfd),
          block_bytes_(block_bytes),
          flight_(depth) {
        free_.reserve(depth);
        refused_.reserve(depth);
        for (unsigned index = depth; index > 0; --index) {
            free_.push_back(index - 1);
        }
    }

    ~uring_channel() override {
        // The kernel ends what is in flight after the ring is closed, without us.
        close_ring(ring_);
        close(eventfd_);
    }

    void submit(const request& wanted) noexcept override {
        enable();
        io_uring_sqe* entry = nullptr;
        if (is_aligned(wanted, block_bytes_) && !free_.empty()) {
            entry = io_uring_get_sqe(&ring_);
        }
        if (entry == nullptr) {
            refused_.push_back({wanted.tag, EINVAL});
            return;
        }
        const unsigned index = free_.back();
        free_.pop_back();
        const auto size_bytes = static_cast<unsigned>(wanted.buffer.size());
        flight_[index] = {wanted.tag, size_bytes};
        if (wanted.what == operation::read) {
            io_uring_prep_read(entry, file_->fd(), wanted.buffer.data(), size_bytes, wanted.offset);
        } else {
            io_uring_prep_write(entry, file_->fd(), wanted.buffer.data(), size_bytes,
                                wanted.offset);
        }
        entry->user_data = index;
        // If the kernel has no memory for it now, it stays queued and goes with the next call.
        io_uring_submit(&ring_);
    }

    std::size_t reap(std::span<completion> out) noexcept override {
        enable();
        if (io_uring_sq_ready(&ring_) > 0) {
            io_uring_submit(&ring_);
        }
        std::size_t taken = 0;
        while (taken < out.size() && !refused_.empty()) {
            out[taken++] = refused_.back();
            refused_.pop_back();
        }
        io_uring_cqe* entry = nullptr;
        while (taken < out.size() && io_uring_peek_cqe(&ring_, &entry) == 0) {
            if (const auto done = consume(entry)) {
                out[taken++] = *done;
            }
        }
        return taken;
    }

    void wait(std::chrono::nanoseconds timeout) noexcept override {
        enable();
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        while (!has_completion()) {
            // Pairs with the exchange in wake(): what the waker wrote before is seen after this.
            if (woken_.exchange(false, std::memory_order_acq_rel)) {
                return;
            }
            const auto left = deadline - std::chrono::steady_clock::now();
            if (left <= std::chrono::nanoseconds::zero()) {
                return;
            }
            sleep(left);
        }
    }

    void wake() noexcept override {
        // Pairs with the exchange in wait(). Each change to true is followed by a write to the
        // eventfd, which ends a sleep that began before it or begins after it.
        if (!woken_.exchange(true, std::memory_order_acq_rel)) {
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto written = write(eventfd_, &one, sizeof one);
        }
    }

  private:
    struct in_flight {
        std::uint64_t tag = 0;
        unsigned size_bytes = 0;
    };

    void enable() noexcept {
        if (!enabled_) {
            // io_uring_enable_rings(3) is declared, but not exported by liburing 2.3.
            syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
            enabled_ = true;
        }
    }

    std::optional<completion> consume(io_uring_cqe* entry) noexcept {
        const std::uint64_t token = entry->user_data;
        const int outcome = entry->res;
        io_uring_cqe_seen(&ring_, entry);
        if (token == wake_token) {
            listening_ = false;
            return std::nullopt;
        }
        const auto index = static_cast<unsigned>(token);
        const in_flight& ended = flight_[index];
        free_.push_back(index);
        if (outcome < 0) {
            return completion{ended.tag, -outcome};
        }
        return completion{ended.tag, static_cast<unsigned>(outcome) == ended.size_bytes ? 0 : EIO};
    }

    // Whether an I/O has ended; consumes what the eventfd left in front of it.
    bool has_completion() noexcept {
        io_uring_cqe* entry = nullptr;
        while (refused_.empty() && io_uring_peek_cqe(&ring_, &entry) == 0) {
            if (entry->user_data != wake_token) {
                return true;
            }
            consume(entry);
        }
        return !refused_.empty();
    }

    void sleep(std::chrono::nanoseconds longest) noexcept {
        if (!listening_) {
            if (io_uring_sqe* entry = io_uring_get_sqe(&ring_)) {
                io_uring_prep_read(entry, eventfd_, &wake_count_, sizeof wake_count_, 0);
                entry->user_data = wake_token;
                listening_ = true;
            }
        }
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(longest);
        __kernel_timespec limit{whole.count(), (longest - whole).count()};
        io_uring_cqe* entry = nullptr;
        io_uring_submit_and_wait_timeout(&ring_, &entry, 1, &limit, nullptr);
    }

    std::shared_ptr<const open_file> file_;
    io_uring ring_;
    int eventfd_;
    std::uint32_t block_bytes_;
    bool enabled_ = false;
    bool listening_ = false;        // a read of the eventfd is in flight
    std::uint64_t wake_count_ = 0;  // what that read fills; of no interest
    std::vector<in_flight> flight_;
    std::vector<unsigned> free_;       // entries of flight_ that are not in flight
    std::vector<completion> refused_;  // never reached the kernel
    std::atomic<bool> woken_{false};   // true from wake() until the wait that returns for it
};

}  // namespace

std::unique_ptr<channel> make_uring_channel(std::shared_ptr<const open_file> file, unsigned depth,
                                            std::uint32_t block_bytes) {
    // Blocking: io_uring gives EAGAIN at once for a read of a non-blocking descriptor. It waits
    // by poll, no thread is held.
    const int wake_fd = eventfd(0, EFD_CLOEXEC);
    if (wake_fd < 0) {
        return nullptr;
    }
    io_uring ring{};
    if (!open_ring(ring, depth + 1)) {
        close(wake_fd);
        return nullptr;
    }
    return std::make_unique<uring_channel>(std::move(file), ring, wake_fd, depth, block_bytes);
}

}  // namespace diskhb::io
