// SPDX-License-Identifier: BSD-3-Clause
// The routes in a reply of diskhbd, for people. Whatever is missing in it is left out.
#pragma once

#include <nlohmann/json.hpp>

namespace diskhb::tools {

// One line or two for each route that this node uses or carries; nothing without any.
void print_routes(const nlohmann::ordered_json& reply);

}  // namespace diskhb::tools
