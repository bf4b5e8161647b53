// SPDX-License-Identifier: BSD-3-Clause
// The small interface behind which all device I/O happens: io_uring, plain pread/pwrite, or a
// simulated device. A device hands out channels; a channel belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "diskhb/error.hpp"

namespace diskhb::io {

enum class operation : std::uint8_t { read, write };

// Offset, size and address of the buffer are multiples of the device's block size. The buffer
// belongs to the channel from submit until its completion was reaped, however late that is.
struct request {
    operation what = operation::read;
    std::uint64_t offset = 0;
    std::span<std::byte> buffer;  // not changed by a write
    std::uint64_t tag = 0;        // given back with the completion
};

// error is 0, or an errno value; a short transfer is reported as EIO.
struct completion {
    std::uint64_t tag = 0;
    int error = 0;
};

// One thread's way to the device. Only wake() may be called by other threads.
class channel {
  public:
    virtual ~channel() = default;
    channel() = default;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    // Starts an I/O. REQUIRES: fewer than the channel's depth in flight. A channel on blocking
    // calls does the I/O here and has its completion ready afterwards.
    virtual void submit(const request& wanted) noexcept = 0;
    // Takes completions that are there, without waiting, in any order; returns how many.
    virtual std::size_t reap(std::span<completion> out) noexcept = 0;
    // Returns when a completion is there, wake() was called since the last return, or `timeout`
    // has passed; at once if a completion is there already. A wake is never lost.
    virtual void wait(std::chrono::nanoseconds timeout) noexcept = 0;
    virtual void wake() noexcept = 0;
};

class block_device {
  public:
    virtual ~block_device() = default;
    virtual std::uint64_t size_bytes() const noexcept = 0;
    // What offsets, sizes and addresses must be multiples of (the logical block size).
    virtual std::uint32_t block_bytes() const noexcept = 0;
    // depth: 1 .. 64 I/Os in flight. The channel may outlive the device object.
    virtual std::unique_ptr<channel> make_channel(unsigned depth) = 0;
};

// Opens the same volume again and again: at start, and each time it was lost.
class device_source {
  public:
    virtual ~device_source() = default;
    // May block as open(2) does. Errors: the errno of open, fstat or the device.
    virtual result<std::unique_ptr<block_device>> open() = 0;
    virtual std::string name() const = 0;  // the path, for messages
};

// One transfer, start to end, on a channel with nothing in flight: for set-up and tools only.
// errc::timed_out leaves the I/O in flight: the channel and buffer must be kept until process end
// or a later reap.
boost::system::error_code transfer(channel& on, const request& wanted,
                                   std::chrono::nanoseconds timeout) noexcept;

enum class backend { automatic, uring, posix };

// A device node or a regular file, opened with O_DIRECT (EINVAL if the file system cannot).
// automatic: io_uring for block devices when the kernel allows it; pread/pwrite for files, where
// io_uring would only hand the call to a kernel thread.
class path_source final : public device_source {
  public:
    enum class access { read_only, read_write };
    path_source(std::string path, access mode, backend how = backend::automatic)
        : path_(std::move(path)), mode_(mode), how_(how) {}
    result<std::unique_ptr<block_device>> open() override;
    std::string name() const override { return path_; }

  private:
    std::string path_;
    access mode_;
    backend how_;
};

// Memory for O_DIRECT: allocated once, zeroed, aligned to 64 KiB (the largest block size).
class aligned_buffer {
  public:
    explicit aligned_buffer(std::size_t bytes);
    std::span<std::byte> span() noexcept { return {data_.get(), bytes_}; }
    std::span<const std::byte> span() const noexcept { return {data_.get(), bytes_}; }
    std::size_t size() const noexcept { return bytes_; }

  private:
    struct release {
        void operator()(std::byte* data) const noexcept;
    };
    std::unique_ptr<std::byte[], release> data_;
    std::size_t bytes_;
};

}  // namespace diskhb::io
