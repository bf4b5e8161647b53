// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/control_reply.hpp"

#include <nlohmann/json.hpp>

namespace diskhb::daemon {

using json = nlohmann::ordered_json;

std::string to_line(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string error_reply(const std::string& error, int exit_code) {
    return to_line({{"ok", false}, {"error", error}, {"exit_code", exit_code}});
}

}  // namespace diskhb::daemon
