// SPDX-License-Identifier: BSD-3-Clause
// What `diskhb status` shows of a route. Values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "plugin/ring/route_config.hpp"

namespace diskhb::daemon {

struct route_report {
    struct carried {
        std::uint32_t node_id = 0;
        ip_address source;
        bool now = false;  // its packets come over the ring now
    };
    const route_config* config = nullptr;
    bool is_user = false;
    // Of a user.
    std::uint32_t carrier = 0;  // 0: by the gateway
    bool gateway_answers = true;
    ip_address source;
    std::string interface;              // towards the gateway; empty: not known
    std::chrono::nanoseconds since{0};  // how long it has gone this way
    std::uint64_t changes = 0;
    std::vector<std::uint32_t> ready;  // carriers that could be used now
    // Of a carrier.
    bool is_carrier = false;
    bool can_carry = false;
    std::vector<carried> carried_for;
};

nlohmann::ordered_json to_json(const route_report& route);

}  // namespace diskhb::daemon
