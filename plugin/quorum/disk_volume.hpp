// SPDX-License-Identifier: BSD-3-Clause
// A quorum volume that has been opened and checked: its quorum table is read whole, and our own
// block of it is written. One thread; blocks as long as the device does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/block_device.hpp"
#include "io/volume.hpp"
#include "plugin/quorum/device_identity.hpp"
#include "plugin/quorum/table_reader.hpp"
#include "plugin/quorum/volume_claims.hpp"

namespace diskhb::quorum {

struct disk_options;
struct disk_failure;

class disk_volume {
  public:
    disk_volume(const disk_options& options, std::unique_ptr<io::device_source> source,
                std::function<device_report()> identify, std::shared_ptr<volume_claims> claims);
    ~disk_volume();

    bool is_open() const noexcept { return channel_ != nullptr; }
    // Each closes the volume when it fails, and says why in one line.
    // Opens and checks: a volume of our cluster with a slot for every node, the one that it was
    // before, no copy of what another node writes to.
    std::optional<disk_failure> open();
    std::optional<disk_failure> read();
    // Before the first write, and when our block is not where we wrote it, the superblock is looked
    // at again: what was formatted anew is not ours to write to.
    std::optional<disk_failure> write(const format::quorum_block& block);

    // What the last read showed: one for each slot that any volume can have.
    std::span<const sighting> table() const noexcept { return table_; }

  private:
    std::optional<disk_failure> fail(const boost::system::error_code& error);
    std::optional<disk_failure> refuse(int exit_code, const std::string& reason);
    std::optional<disk_failure> check_superblock(const format::superblock& found);
    std::optional<disk_failure> check_writers();
    void close() noexcept;

    const disk_options& options_;
    std::unique_ptr<io::device_source> source_;
    std::function<device_report()> identify_;
    std::shared_ptr<volume_claims> claims_;

    io::opened_volume volume_;
    std::unique_ptr<io::channel> channel_;  // none: not open
    std::optional<table_reader> reader_;
    std::optional<io::aligned_buffer> table_bytes_;
    std::optional<io::aligned_buffer> block_bytes_;
    format::device_identity identity_;
    std::vector<sighting> table_;
    bool must_recheck_ = false;
};

}  // namespace diskhb::quorum
