// SPDX-License-Identifier: BSD-3-Clause
// The status of diskhb-quorumd for people (diskhb-quorumd(8), "CONTROL SOCKET"). Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

// Several lines. Of a reply of any shape: what is missing is left out or shown as zero.
std::string quorum_status_text(const nlohmann::ordered_json& reply);

}  // namespace diskhb::tools
