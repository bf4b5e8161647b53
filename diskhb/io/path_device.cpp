// SPDX-License-Identifier: BSD-3-Clause
// Device nodes and regular files: open(2), BLKGETSIZE64, BLKSSZGET, statx(2) STATX_DIOALIGN.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "io/block_device.hpp"
#include "io/claim.hpp"
#include "io/open_file.hpp"
#include "io/posix_channel.hpp"
#include "io/uring_channel.hpp"

namespace diskhb::io {
namespace {

constexpr unsigned depth_max = 64;
constexpr std::uint32_t file_block_bytes = 4096;
constexpr std::size_t buffer_alignment_bytes = 65536;

boost::system::error_code system_error(int error) noexcept {
    return {error, boost::system::system_category()};
}

struct extent {
    std::uint64_t size_bytes = 0;
    std::uint32_t block_bytes = 0;
};

result<extent> measure_block_device(int fd) noexcept {
    std::uint64_t size_bytes = 0;
    int sector_bytes = 0;
    if (ioctl(fd, BLKGETSIZE64, &size_bytes) != 0 || ioctl(fd, BLKSSZGET, &sector_bytes) != 0) {
        return system_error(errno);
    }
    if (sector_bytes <= 0 || !std::has_single_bit(static_cast<unsigned>(sector_bytes))) {
        return system_error(EINVAL);
    }
    return extent{size_bytes, static_cast<std::uint32_t>(sector_bytes)};
}

// The system call, since glibc 2.36 does not know the fields of STATX_DIOALIGN yet. Kernels
// before 6.1 and file systems that do not tell leave the bit out: then a page is assumed.
result<std::uint32_t> direct_io_alignment(int fd) noexcept {
    struct statx facts {};
    const long outcome = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts);
    if (outcome != 0 || (facts.stx_mask & STATX_DIOALIGN) == 0) {
        return file_block_bytes;
    }
    if (facts.stx_dio_offset_align == 0) {
        return system_error(EINVAL);
    }
    return std::bit_ceil(std::max(facts.stx_dio_offset_align, facts.stx_dio_mem_align));
}

result<extent> measure(int fd) noexcept {
    struct stat facts {};
    if (fstat(fd, &facts) != 0) {
        return system_error(errno);
    }
    if (S_ISBLK(facts.st_mode)) {
        return measure_block_device(fd);
    }
    if (!S_ISREG(facts.st_mode)) {
        return system_error(ENOTBLK);
    }
    const auto block_bytes = direct_io_alignment(fd);
    if (!block_bytes) {
        return block_bytes.error();
    }
    return extent{static_cast<std::uint64_t>(facts.st_size), *block_bytes};
}

bool is_block_device(int fd) noexcept {
    struct stat facts {};
    return fstat(fd, &facts) == 0 && S_ISBLK(facts.st_mode);
}

class path_device final : public block_device {
  public:
    path_device(std::shared_ptr<const open_file> file, const extent& measures, backend how)
        : file_(std::move(file)), measures_(measures), how_(how) {}

    std::uint64_t size_bytes() const noexcept override { return measures_.size_bytes; }
    std::uint32_t block_bytes() const noexcept override { return measures_.block_bytes; }
    int fd() const noexcept { return file_->fd(); }

    std::unique_ptr<channel> make_channel(unsigned depth) override {
        depth = std::clamp(depth, 1U, depth_max);
        const bool wants_uring =
            how_ == backend::uring || (how_ == backend::automatic && is_block_device(file_->fd()));
        if (wants_uring) {
            if (auto ring = make_uring_channel(file_, depth, measures_.block_bytes)) {
                return ring;
            }
        }
        return make_posix_channel(file_, depth, measures_.block_bytes);
    }

  private:
    std::shared_ptr<const open_file> file_;
    extent measures_;
    backend how_;
};

}  // namespace

open_file::~open_file() { close(fd_); }

result<std::unique_ptr<block_device>> path_source::open() {
    // Looked at before it is opened: opening a FIFO waits, and opening some character devices
    // (a watchdog, a tape) has effects of its own.
    struct stat facts {};
    if (stat(path_.c_str(), &facts) != 0) {
        return system_error(errno);
    }
    if (!S_ISBLK(facts.st_mode) && !S_ISREG(facts.st_mode)) {
        return system_error(ENOTBLK);
    }
    const int how = mode_ == access::read_only ? O_RDONLY : O_RDWR;
    const int fd = ::open(path_.c_str(), how | O_DIRECT | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return system_error(errno);
    }
    auto file = std::make_shared<const open_file>(fd);
    const auto measures = measure(fd);
    if (!measures) {
        return measures.error();
    }
    return std::unique_ptr<block_device>(
        std::make_unique<path_device>(std::move(file), *measures, how_));
}

boost::system::error_code claim(block_device& device, std::uint64_t offset,
                                std::uint64_t bytes) noexcept {
    const auto* const file = dynamic_cast<const path_device*>(&device);
    if (file == nullptr) {
        return {};
    }
    struct flock range {};  // l_pid must be 0
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(bytes);
    const bool is_taken =
        fcntl(file->fd(), F_OFD_SETLK, &range) != 0 && (errno == EAGAIN || errno == EACCES);
    return is_taken ? system_error(EBUSY) : boost::system::error_code();
}

boost::system::error_code transfer(channel& on, const request& wanted,
                                   std::chrono::nanoseconds timeout) noexcept {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    on.submit(wanted);
    while (true) {
        std::array<completion, 1> done{};
        if (on.reap(done) == 1) {
            return done[0].error == 0 ? boost::system::error_code() : system_error(done[0].error);
        }
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= std::chrono::nanoseconds::zero()) {
            return errc::timed_out;
        }
        on.wait(left);
    }
}

aligned_buffer::aligned_buffer(std::size_t bytes)
    : data_(static_cast<std::byte*>(::operator new (std::max<std::size_t>(bytes, 1),
                                                    std::align_val_t{buffer_alignment_bytes}))),
      bytes_(bytes) {
    std::fill_n(data_.get(), bytes_, std::byte{0});
}

void aligned_buffer::release::operator()(std::byte* data) const noexcept {
    ::operator delete (data, std::align_val_t{buffer_alignment_bytes});
}

}  // namespace diskhb::io
