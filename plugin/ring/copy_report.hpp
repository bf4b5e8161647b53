// SPDX-License-Identifier: BSD-3-Clause
// What diskhbd knows of how a ring's writes are copied, for status and log. Plain values.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "plugin/ring/copy_runner.hpp"
#include "plugin/ring/volume_roles.hpp"

namespace diskhb::daemon {

struct copy_report {
    copy_mode mode = copy_mode::none;
    std::string state;  // storage: empty; command: idle, running, failing; builtin: see copyd
    std::string error;  // one line; empty while all is well
    // Since when the oldest write waits that is not copied; 0: none does. Not for storage.
    double behind_ms = 0;
    copy_runner_status command;
    // builtin, as diskhb-copyd says:
    double lag_us_p50 = 0;
    double lag_us_p99 = 0;
    double lag_us_most = 0;
    std::uint64_t blocks_announced = 0;
    std::uint64_t ring_bytes_written = 0;
    // Requests to copy now:
    std::uint64_t requests = 0;       // of this node
    std::uint64_t peer_requests = 0;  // of other nodes, acted upon
};

copy_report command_report(const copy_runner_status& status, std::uint64_t now_ns);
// From the reply of diskhb-copyd to status, for the ring with that interface; empty: no reply.
copy_report builtin_report(const std::string& reply, const std::string& error,
                           const std::string& interface);
nlohmann::ordered_json to_json(const copy_report& report);

}  // namespace diskhb::daemon
