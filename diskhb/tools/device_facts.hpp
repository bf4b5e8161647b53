// SPDX-License-Identifier: BSD-3-Clause
// What a path is and what already lives on it, before something is written there. Looks only:
// stat(2), sysfs(5), mountinfo and swaps of proc(5), libblkid.
#pragma once

#include <cstdint>
#include <string>

namespace diskhb::tools {

struct sector_sizes {
    std::uint32_t logical_bytes = 0;
    std::uint32_t physical_bytes = 0;
};

// Owns a descriptor that keeps others from claiming the device while it is formatted.
class claim {
  public:
    // Opens for reading and writing, a block device with O_EXCL, which the kernel refuses while it
    // is mounted, swapped to, or part of a RAID or device-mapper device. Throws setup_error:
    // exit_permission when that is not allowed, exit_in_use naming the user, exit_volume for what
    // is no block device or file, is read-only, missing, or on a file system without direct I/O.
    explicit claim(const std::string& path);
    ~claim();
    claim(const claim&) = delete;
    claim& operator=(const claim&) = delete;

    int fd() const noexcept { return fd_; }
    bool is_block_device() const noexcept { return is_block_device_; }

  private:
    int fd_ = -1;
    bool is_block_device_ = false;
};

// Of a block device; zeros for a file, whose own device does not matter.
sector_sizes sectors_of(int fd) noexcept;

// What libblkid knows of the content: "an ext4 file system", "a gpt partition table", several
// joined by "and"; empty if it knows nothing. Throws setup_error if the device cannot be read.
// `object` is what is opened, `path` its name in messages.
std::string known_content(const std::string& object, const std::string& path);

// Who uses the device or file ("mounted at /srv", "swap space", "the backing file of /dev/loop3",
// "part of /dev/dm-0"); empty if nobody is seen.
std::string user_of(const std::string& path);

}  // namespace diskhb::tools
