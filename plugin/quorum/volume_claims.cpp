// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/volume_claims.hpp"

#include <fmt/format.h>

#include "format/superblock.hpp"

namespace diskhb::quorum {

std::optional<std::string> volume_claims::claim(std::size_t index, const std::string& path,
                                                const format::uuid& cluster,
                                                const format::device_identity& device) {
    const std::lock_guard lock(mutex_);
    for (std::size_t other = 0; other < claims_.size(); ++other) {
        const claim_record& taken = claims_[other];
        if (!taken.known || other == index) {
            continue;
        }
        if (taken.cluster == cluster) {
            return fmt::format(
                "has the same uuid {} as {}: one is a copy of the other, or both are one volume; "
                "name each volume once",
                format::to_string(cluster), taken.path);
        }
        if (device.domain != 0 && taken.device == device) {
            return fmt::format("is the same device as {}; name each device once", taken.path);
        }
    }
    claim_record& own = claims_[index];
    if (own.known && own.cluster != cluster) {
        return fmt::format(
            "is another volume than before: its uuid was {} and is {}; bring the first one back, "
            "or restart diskhb-quorumd on all nodes",
            format::to_string(own.cluster), format::to_string(cluster));
    }
    own = {true, path, cluster, device};
    return std::nullopt;
}

}  // namespace diskhb::quorum
