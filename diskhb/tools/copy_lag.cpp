// SPDX-License-Identifier: BSD-3-Clause
#include "tools/copy_lag.hpp"

#include <algorithm>
#include <cmath>

#include "diskhb/error.hpp"
#include "io/same_place.hpp"
#include "tools/daemon_status.hpp"
#include "tools/reply_text.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

std::uint64_t microseconds_of(const json& object, const char* key) {
    return static_cast<std::uint64_t>(std::ceil(std::max(0.0, number_of(object, key))));
}

copy_lag lag_of(const json& ring) {
    copy_lag lag;
    lag.ring = text_of(ring, "interface");
    for (const auto& area : list_of(ring, "receive")) {
        for (const auto& node : list_of(area, "nodes")) {
            if (node.is_number_unsigned()) {
                lag.nodes.push_back(node.get<std::uint32_t>());
            }
        }
    }
    for (const auto& peer : list_of(ring, "peers")) {
        const auto id = static_cast<std::uint32_t>(number_of(peer, "node"));
        if (std::find(lag.nodes.begin(), lag.nodes.end(), id) == lag.nodes.end()) {
            continue;
        }
        const auto most_us = microseconds_of(peer, "lag_us_most");
        if (most_us == 0) {
            lag.unheard.push_back(id);
        }
        lag.us_p99 = std::max(lag.us_p99, microseconds_of(peer, "lag_us_p99"));
        lag.us_max = std::max(lag.us_max, most_us);
    }
    // A percentile of a histogram may lie above the greatest value itself.
    lag.us_p99 = std::min(lag.us_p99, lag.us_max);
    return lag;
}

}  // namespace

std::optional<copy_lag> find_copy_lag(const json& status, const std::string& volume) {
    for (const auto& ring : list_of(status, "rings")) {
        if (!list_of(ring, "receive").empty() &&
            io::is_same_place(text_of(ring, "volume"), volume)) {
            return lag_of(ring);
        }
    }
    return std::nullopt;
}

std::optional<copy_lag> ask_copy_lag(const std::string& socket_path, const std::string& volume) {
    try {
        return find_copy_lag(daemon_status(socket_path, "diskhbd"), volume);
    } catch (const setup_error&) {
        return std::nullopt;
    }
}

}  // namespace diskhb::tools
