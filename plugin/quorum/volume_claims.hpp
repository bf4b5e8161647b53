// SPDX-License-Identifier: BSD-3-Clause
// Which volume each path of the configuration has led to, so that no volume counts for two: two of
// one are no majority. Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "format/quorum_block.hpp"

namespace diskhb::quorum {

class volume_claims {
  public:
    explicit volume_claims(std::size_t volumes) : claims_(volumes) {}

    // The volume with that uuid, on that device, is number `index` from now on. Nothing if it may
    // be, else why not: another index has the uuid or the device, or this index had another uuid.
    std::optional<std::string> claim(std::size_t index, const std::string& path,
                                     const format::uuid& cluster,
                                     const format::device_identity& device);

  private:
    struct claim_record {
        bool known = false;
        std::string path;
        format::uuid cluster{};
        format::device_identity device;
    };

    std::mutex mutex_;
    std::vector<claim_record> claims_;
};

}  // namespace diskhb::quorum
