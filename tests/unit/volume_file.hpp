// SPDX-License-Identifier: BSD-3-Clause
// A formatted volume in a file of its own, removed at the end; for tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "format/superblock.hpp"

namespace diskhb::test {

inline format::superblock small_superblock(const std::string& cluster = "test",
                                           std::uint64_t ring_bytes = 1 << 20,
                                           std::uint16_t slots = 4) {
    format::superblock content;
    content.cluster_name = cluster;
    content.cluster = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    format::geometry measures{4096, slots, ring_bytes, 0};
    content.measures =
        format::make_geometry(4096, slots, ring_bytes, measures.needed_bytes()).value();
    return content;
}

class volume_file {
  public:
    explicit volume_file(const format::superblock& content = small_superblock(),
                         const std::string& folder = "/dev/shm")
        : content_(content), path_(folder + "/diskhb-test-XXXXXX") {
        fd_ = ::mkstemp(path_.data());
        EXPECT_GE(fd_, 0);
        EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(content.measures.volume_bytes)), 0);
        std::vector<std::byte> block(content.measures.block_bytes);
        for (const std::uint64_t offset :
             {std::uint64_t{0}, content.measures.superblock_copy_offset()}) {
            format::encode_superblock(block, content, offset);
            write(offset, block);
        }
    }
    ~volume_file() {
        ::close(fd_);
        ::unlink(path_.c_str());
    }
    volume_file(const volume_file&) = delete;
    volume_file& operator=(const volume_file&) = delete;

    void write(std::uint64_t offset, const std::vector<std::byte>& bytes) {
        EXPECT_EQ(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
                  static_cast<ssize_t>(bytes.size()));
    }
    std::vector<std::byte> read(std::uint64_t offset, std::size_t size) const {
        std::vector<std::byte> bytes(size);
        EXPECT_EQ(::pread(fd_, bytes.data(), size, static_cast<off_t>(offset)),
                  static_cast<ssize_t>(size));
        return bytes;
    }
    const std::string& path() const { return path_; }
    const format::superblock& content() const { return content_; }

  private:
    format::superblock content_;
    std::string path_;
    int fd_ = -1;
};

}  // namespace diskhb::test
