// SPDX-License-Identifier: BSD-3-Clause
// What a fire drill has found, for people and as JSON. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/watch/drill_script.hpp"
#include "plugin/watch/event_text.hpp"
#include "tools/drill_check.hpp"

namespace diskhb::tools {

std::string checks_text(const std::vector<drill_check>& checks);
nlohmann::ordered_json checks_json(const std::vector<drill_check>& checks);

std::string result_text(const watch::drill_result& result, const watch::node_names& names);
nlohmann::ordered_json result_json(const watch::drill_result& result,
                                   const watch::node_names& names);

}  // namespace diskhb::tools
