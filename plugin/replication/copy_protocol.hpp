// SPDX-License-Identifier: BSD-3-Clause
// What diskhb-copyd answers on its control socket, and says in its log (diskhb-copyd(8)). Pure; any
// thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "plugin/ring/config.hpp"
#include "replication/copy_job.hpp"

namespace diskhb::daemon {

struct copy_snapshot {
    const ring_config* ring = nullptr;
    replication::copy_job_status job;
};

// Without the line feed.
std::string copy_status_reply(const daemon_config& config, const std::vector<copy_snapshot>& rings,
                              std::chrono::seconds uptime);
// After a request to copy now: all that was asked for has been copied, or only been begun.
std::string copy_done_reply(bool has_waited, std::chrono::nanoseconds took);

// "dhb0 copying, 3.1 ms behind at most": for systemctl status.
std::string copy_summary(const copy_snapshot& ring);
// For the log, when state or error of a ring have changed.
std::string copy_change_text(const copy_snapshot& ring);

}  // namespace diskhb::daemon
