// SPDX-License-Identifier: BSD-3-Clause
// What happens to the lease, in words for the log. Pure; any thread.
#pragma once

#include <string>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

struct log_line {
    bool is_warning = false;
    std::string text;
};
// An event of the step that has just been made.
log_line describe(lease_event event, const lease& state, std::uint64_t now_ns);

// One line for systemctl status: vote, grant, ring.
std::string summary(const lease& state, std::uint64_t now_ns);

}  // namespace diskhb::quorum
