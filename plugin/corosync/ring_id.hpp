// SPDX-License-Identifier: BSD-3-Clause
// The name of a membership, as Corosync's libraries give it.
#pragma once

#include <cstdint>

namespace diskhb::corosync {

struct ring_id {
    std::uint32_t node_id = 0;  // of the representative
    std::uint64_t sequence = 0;
};

}  // namespace diskhb::corosync
