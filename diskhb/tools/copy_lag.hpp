// SPDX-License-Identifier: BSD-3-Clause
// What the running diskhbd has measured of a ring's copies: how long it takes from a write to the
// send volume until a node at the other site has read it and that is known here, both ways
// together.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace diskhb::tools {

struct copy_lag {
    std::string ring;                    // its interface
    std::vector<std::uint32_t> nodes;    // that are read from copies
    std::vector<std::uint32_t> unheard;  // of these: nothing was ever acknowledged by them
    std::uint64_t us_p99 = 0;            // of the slowest of them
    std::uint64_t us_max = 0;
};

// Of the ring that writes to `volume`, in a reply to {"verb":"status"}; nothing if there is none or
// it has no receive volumes. Pure; any thread.
std::optional<copy_lag> find_copy_lag(const nlohmann::ordered_json& status,
                                      const std::string& volume);

// Asks for it; nothing if no daemon answers.
std::optional<copy_lag> ask_copy_lag(const std::string& socket_path, const std::string& volume);

}  // namespace diskhb::tools
