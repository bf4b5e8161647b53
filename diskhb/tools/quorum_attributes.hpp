// SPDX-License-Identifier: BSD-3-Clause
// The reply of diskhb-quorumd to "status" as the resource agent publishes it: NAME=VALUE lines
// (doc/pacemaker.md, "Attributes"). Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

std::string quorum_attributes(const nlohmann::ordered_json& status);
// The same when diskhb-quorumd does not answer; `problem` is why.
std::string quorum_attributes_without_daemon(const std::string& problem);

}  // namespace diskhb::tools
