// SPDX-License-Identifier: BSD-3-Clause
// Two nodes on one volume, both in this process, and the same device bare. Volumes are made with
// four slots: nodes 1 and 2 use theirs, the bare device is measured in the rings of the other two,
// so that both can be measured in turn while the nodes stay up, idle.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "diskhb/node.hpp"
#include "io/block_device.hpp"

namespace diskhb::bench {

struct ring_settings {
    std::string volume;
    std::string backend = "automatic";  // automatic, uring or posix
    unsigned poll_hot_us = 20;
    unsigned poll_idle_us = 10000;
    unsigned hot_time_us = 2000;
    unsigned beat_ms = 100;
    std::size_t batch_bytes = 1 << 20;
};

// Whatever node 2 gets: on its receiver's thread.
using on_datagram = std::function<void(std::span<const std::byte> payload)>;

// Makes a volume on the device or in the file, whatever was there before.
void make_volume(const std::string& path, std::uint16_t slots, std::uint64_t ring_bytes);

node_options options_for(const ring_settings& settings, std::uint32_t id);

class ring_pair {
  public:
    // Starts both and returns when they hear each other; throws setup_error after 30 s.
    ring_pair(const ring_settings& settings, on_datagram sink);
    node& sender() { return *sender_; }
    node& receiver() { return *receiver_; }

  private:
    std::unique_ptr<node> sender_;
    std::unique_ptr<node> receiver_;
};

// One I/O at a time on the bare device by pread(2) and pwrite(2), without any code of the engine.
// One thread.
class bare_device {
  public:
    // Room: the ring of the slot with this index, 2 or 3. Throws setup_error.
    bare_device(const std::string& volume, std::uint16_t slot);
    ~bare_device();
    bare_device(const bare_device&) = delete;
    bare_device& operator=(const bare_device&) = delete;
    // At a running offset, which wraps at the end of the room. Throws setup_error.
    void write(std::size_t bytes);
    void read(std::size_t bytes);
    // The next transfer begins at the room's start again.
    void rewind() noexcept { position_ = 0; }
    // What is written next, or was read last.
    std::span<std::byte> buffer() noexcept { return buffer_.span(); }

  private:
    off_t next_offset(std::size_t bytes) noexcept;
    void check(ssize_t moved, std::size_t bytes) const;

    std::string volume_;
    io::aligned_buffer buffer_;
    std::uint64_t room_offset_ = 0;
    std::uint64_t room_bytes_ = 0;
    std::uint64_t position_ = 0;
    int fd_ = -1;
};

}  // namespace diskhb::bench
