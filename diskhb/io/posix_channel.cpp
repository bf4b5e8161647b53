// SPDX-License-Identifier: BSD-3-Clause
#include "io/posix_channel.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <vector>

#include "io/alignment.hpp"

namespace diskhb::io {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

int do_transfer(int fd, const request& wanted) noexcept {
    const auto offset = static_cast<off_t>(wanted.offset);
    ssize_t moved = 0;
    do {
        moved = wanted.what == operation::read
                    ? pread(fd, wanted.buffer.data(), wanted.buffer.size(), offset)
                    : pwrite(fd, wanted.buffer.data(), wanted.buffer.size(), offset);
    } while (moved < 0 && errno == EINTR);
    if (moved < 0) {
        return errno;
    }
    return static_cast<std::size_t>(moved) == wanted.buffer.size() ? 0 : EIO;
}

class posix_channel final : public channel {
  public:
    posix_channel(std::shared_ptr<const open_file> file, unsigned depth, std::uint32_t block_bytes)
        : file_(std::move(file)), block_bytes_(block_bytes) {
        done_.reserve(depth);
    }

    void submit(const request& wanted) noexcept override {
        const int error =
            is_aligned(wanted, block_bytes_) ? do_transfer(file_->fd(), wanted) : EINVAL;
        done_.push_back({wanted.tag, error});
    }

    std::size_t reap(std::span<completion> out) noexcept override {
        const std::size_t taken = std::min(out.size(), done_.size());
        const auto first_left = done_.begin() + static_cast<std::ptrdiff_t>(taken);
        std::copy(done_.begin(), first_left, out.begin());
        done_.erase(done_.begin(), first_left);
        return taken;
    }

    void wait(std::chrono::nanoseconds timeout) noexcept override {
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        // Pairs with the exchange in wake(): what the waker wrote before is seen after this.
        while (done_.empty() && woken_.exchange(0, std::memory_order_acq_rel) == 0) {
            const auto left = deadline - std::chrono::steady_clock::now();
            if (left <= std::chrono::nanoseconds::zero()) {
                return;
            }
            sleep(left);
        }
    }

    void wake() noexcept override {
        // Pairs with the exchange in wait(). Only the first wake since then needs the system call.
        if (woken_.exchange(1, std::memory_order_acq_rel) == 0) {
            syscall(SYS_futex, &woken_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        }
    }

  private:
    // The kernel compares the word with 0 again before it sleeps, so a wake cannot slip between.
    void sleep(std::chrono::nanoseconds longest) noexcept {
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(longest);
        const timespec limit{static_cast<time_t>(whole.count()),
                             static_cast<long>((longest - whole).count())};
        syscall(SYS_futex, &woken_, FUTEX_WAIT_PRIVATE, 0, &limit, nullptr, 0);
    }

    std::shared_ptr<const open_file> file_;
    std::uint32_t block_bytes_;
    std::vector<completion> done_;         // never grows beyond the depth
    std::atomic<std::uint32_t> woken_{0};  // 1 from wake() until the wait that returns for it
};

}  // namespace

std::unique_ptr<channel> make_posix_channel(std::shared_ptr<const open_file> file, unsigned depth,
                                            std::uint32_t block_bytes) {
    return std::make_unique<posix_channel>(std::move(file), depth, block_bytes);
}

}  // namespace diskhb::io
