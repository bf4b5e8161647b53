// SPDX-License-Identifier: BSD-3-Clause
// One picture of diskhb top: two replies of diskhbd to "status", the time between them, and what
// follows. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

struct top_input {
    nlohmann::ordered_json before;  // null: there is no rate yet
    nlohmann::ordered_json now;     // null: diskhbd does not answer
    nlohmann::ordered_json quorum;  // null: there is no diskhb-quorumd
    double seconds = 0;             // between the two
    std::string problem;            // why diskhbd does not answer
};

// Lines without control characters but colours.
std::string top_picture(const top_input& input);

}  // namespace diskhb::tools
