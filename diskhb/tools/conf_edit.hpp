// SPDX-License-Identifier: BSD-3-Clause
// A ring, and a quorum device, added to the text of a corosync.conf: lines are added or replaced,
// everything else, comments too, stays as it is. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/corosync/timer_advice.hpp"

namespace diskhb::tools {

struct device_values {
    unsigned votes = 0;
    std::uint32_t timeout_ms = 0;
    std::uint32_t sync_timeout_ms = 0;
};

struct conf_change {
    std::optional<unsigned> ring_link;                // of the link to add
    std::map<std::uint32_t, std::string> ring_addrs;  // by node id
    corosync::timers timers;                          // applied where the file has less, or nothing
    std::optional<device_values> device;              // of the quorum device to add
};

// `conf` is what was parsed of `text`.
std::string edited(std::string_view text, const corosync::corosync_conf& conf,
                   const conf_change& change);

}  // namespace diskhb::tools
