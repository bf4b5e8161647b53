// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/disk_volume.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "io/volume_error.hpp"
#include "plugin/quorum/disk_thread.hpp"

namespace diskhb::quorum {

namespace {

// I/O is done with pread(2) and pwrite(2), which return when the device answers.
constexpr auto patience = std::chrono::hours(24);

// Whether waiting does not help: the volume is there, and is wrong.
bool is_lasting(const boost::system::error_code& error) noexcept {
    if (error.category() == error_category()) {
        return error != errc::io_failed && error != errc::timed_out;
    }
    switch (error.value()) {
        case EACCES:
        case EPERM:
        case EROFS:
        case ENOTBLK:
        case EINVAL:
            return true;
        default:
            return false;
    }
}

}  // namespace

disk_volume::disk_volume(const disk_options& options, std::unique_ptr<io::device_source> source,
                         std::function<device_report()> identify,
                         std::shared_ptr<volume_claims> claims)
    : options_(options),
      source_(std::move(source)),
      identify_(std::move(identify)),
      claims_(std::move(claims)),
      table_(format::slots_max) {}

disk_volume::~disk_volume() = default;

void disk_volume::close() noexcept {
    channel_.reset();
    reader_.reset();
    volume_.device.reset();
    std::fill(table_.begin(), table_.end(), sighting{});
}

std::optional<disk_failure> disk_volume::fail(const boost::system::error_code& error) {
    close();
    const auto explained = io::volume_error(options_.path, error);
    return disk_failure{explained.what(), explained.exit_code(), is_lasting(error)};
}

std::optional<disk_failure> disk_volume::refuse(int exit_code, const std::string& reason) {
    close();
    return disk_failure{fmt::format("{}: {}", options_.path, reason), exit_code, true};
}

std::optional<disk_failure> disk_volume::open() {
    close();
    const device_report device = identify_();
    if (!device.refusal.empty()) {
        return refuse(exit_volume, device.refusal);
    }
    identity_ = device.identity;
    auto opened = io::open_volume(*source_, "", patience);
    if (!opened) {
        return fail(opened.error());
    }
    volume_ = std::move(*opened);
    if (auto failure = check_superblock(volume_.superblock)) {
        return failure;
    }
    const auto& measures = volume_.superblock.measures;
    reader_.emplace(measures, volume_.superblock.cluster);
    table_bytes_.emplace(measures.table_bytes());
    block_bytes_.emplace(measures.block_bytes);
    channel_ = volume_.device->make_channel(1);
    must_recheck_ = false;
    return read();
}

std::optional<disk_failure> disk_volume::check_superblock(const format::superblock& found) {
    if (found.cluster_name != options_.cluster_name) {
        return refuse(exit_cluster,
                      fmt::format("is the volume of cluster '{}', corosync.conf is of cluster "
                                  "'{}': name the right volume in diskhb.toml",
                                  found.cluster_name, options_.cluster_name));
    }
    if (options_.highest_node_id > found.measures.slots) {
        return refuse(
            exit_config,
            fmt::format("has slots for node ids 1 to {}, and corosync.conf has node id "
                        "{}: format it with --slots {} or more",
                        found.measures.slots, options_.highest_node_id, options_.highest_node_id));
    }
    if (const auto why = claims_->claim(options_.index, options_.path, found.cluster, identity_)) {
        return refuse(exit_volume, *why);
    }
    return std::nullopt;
}

// Whoever has not said good-bye must write to the device that we read. Looked at with every read:
// on a copy the blocks of the others may arrive later than we do.
std::optional<disk_failure> disk_volume::check_writers() {
    for (const sighting& shown : table_) {
        const auto* const block = shown.block;
        if (block == nullptr || block->state == format::quorum_state::stopped ||
            block->incarnation == options_.incarnation) {
            continue;
        }
        if (block->device.is_other_than(identity_)) {
            return refuse(
                exit_volume,
                fmt::format("is a replicated copy: node {} writes to another device with the same "
                            "uuid, and reads of a copy are old; name a device that all nodes "
                            "reach, or stop diskhb-quorumd on node {} if it has moved here",
                            block->node_id, block->node_id));
        }
    }
    return std::nullopt;
}

std::optional<disk_failure> disk_volume::read() {
    const auto& measures = volume_.superblock.measures;
    const auto error = io::transfer(
        *channel_, {io::operation::read, measures.quorum_offset(), table_bytes_->span(), 0},
        patience);
    if (error) {
        return fail(error);
    }
    const auto shown = reader_->read(table_bytes_->span());
    std::copy(shown.begin(), shown.end(), table_.begin());
    const sighting& own = table_[options_.node_id - 1];
    must_recheck_ =
        own.what != sighting::kind::intact || own.stamp.incarnation != options_.incarnation;
    return check_writers();
}

std::optional<disk_failure> disk_volume::write(const format::quorum_block& block) {
    if (must_recheck_) {
        const auto found = io::read_superblocks(*volume_.device, patience);
        if (found.best().has_error()) {
            return fail(found.best().error());
        }
        if (auto failure = check_superblock(*found.best())) {
            return failure;
        }
    }
    format::quorum_block content = block;
    content.device = identity_;
    const auto& superblock = volume_.superblock;
    format::encode_quorum(block_bytes_->span(), superblock.measures, superblock.cluster, content);
    const auto offset =
        superblock.measures.quorum_offset(static_cast<slot_index>(options_.node_id - 1));
    if (const auto error = io::transfer(
            *channel_, {io::operation::write, offset, block_bytes_->span(), 0}, patience)) {
        return fail(error);
    }
    return std::nullopt;
}

}  // namespace diskhb::quorum
