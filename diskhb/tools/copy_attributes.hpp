// SPDX-License-Identifier: BSD-3-Clause
// The reply of diskhb-copyd to "status" as the resource agent publishes it, in NAME=VALUE lines
// (doc/pacemaker.md, "Attributes"), and for people. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

// Of several rings the worst counts. Degraded: one is not copied, or further behind than
// `behind_ms_max`; 0: however far.
std::string copy_attributes(const nlohmann::ordered_json& status, double behind_ms_max);
// The same when diskhb-copyd does not answer; `problem` is why.
std::string copy_attributes_without_daemon(const std::string& problem);

std::string copy_status_text(const nlohmann::ordered_json& status);

}  // namespace diskhb::tools
