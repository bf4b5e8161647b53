// SPDX-License-Identifier: BSD-3-Clause
#include "replication/copy_target.hpp"

#include <fmt/format.h>

#include "io/claim.hpp"
#include "io/same_place.hpp"
#include "io/volume.hpp"
#include "io/volume_error.hpp"

namespace diskhb::replication {

namespace {

// How long one read of the superblock may take.
constexpr auto patience = std::chrono::seconds(5);

// Empty if the volume is a copy of the source.
std::string difference(const format::superblock& source, const format::superblock& found) {
    if (found.cluster != source.cluster) {
        return fmt::format(
            "is another volume (uuid {}, of cluster '{}') than the one that is to be "
            "copied (uuid {})",
            format::to_string(found.cluster), found.cluster_name,
            format::to_string(source.cluster));
    }
    if (found.measures != source.measures || found.cluster_name != source.cluster_name) {
        return "has the uuid of the volume that is to be copied, but other measures";
    }
    return {};
}

}  // namespace

copy_target open_target(const std::string& source_path, const format::superblock& source,
                        const std::string& target_path, io::backend how,
                        std::optional<format::slot_index> slot) {
    copy_target outcome;
    if (io::is_same_place(source_path, target_path)) {
        outcome.error = fmt::format("{}: is the volume that is to be copied itself", target_path);
        outcome.is_refused = true;
        return outcome;
    }
    io::path_source target(target_path, io::path_source::access::read_write, how);
    auto device = target.open();
    if (!device) {
        outcome.error = io::volume_error(target_path, device.error()).what();
        return outcome;
    }
    // Before anything is read, which may wait for the same device.
    if (slot &&
        io::claim(**device, source.measures.table_offset(*slot), source.measures.block_bytes)) {
        outcome.error = fmt::format(
            "{}: another diskhb-copyd writes this node's slot there, or the device still owes an "
            "answer to an earlier try",
            target_path);
        return outcome;
    }
    const auto pair = io::read_superblocks(**device, patience);
    const auto& found = pair.best();
    if (!found) {
        outcome.error = io::volume_error(target_path, found.error()).what();
        outcome.is_refused =
            found.error().category() == error_category() && found.error() != errc::timed_out;
        if (outcome.is_refused) {
            outcome.error += fmt::format("; make it one with: diskhb format {} --copy-of {}",
                                         target_path, source_path);
        }
        return outcome;
    }
    const auto unlike = difference(source, *found);
    const auto unfit = io::check_superblock(*found, (*device)->size_bytes(),
                                            (*device)->block_bytes(), source.cluster_name);
    if (!unlike.empty() || unfit) {
        outcome.error =
            fmt::format("{}: {}", target_path, unlike.empty() ? unfit.message() : unlike);
        outcome.is_refused = true;
        return outcome;
    }
    outcome.device = std::move(*device);
    return outcome;
}

}  // namespace diskhb::replication
