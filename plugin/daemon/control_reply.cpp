// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/control_reply.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace diskhb::daemon {

using json = nlohmann::ordered_json;

std::string to_line(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string error_reply(const std::string& error, int exit_code) {
    return to_line({{"ok", false}, {"error", error}, {"exit_code", exit_code}});
}

std::string version_reply() { return to_line({{"ok", true}, {"version", DISKHB_VERSION}}); }

json begin_status(const daemon_identity& who, std::chrono::seconds uptime) {
    return {{"ok", true},
            {"version", DISKHB_VERSION},
            {"pid", getpid()},
            {"uptime_s", uptime.count()},
            {"cluster_name", who.cluster_name},
            {"node", who.node_id},
            {"name", who.node_name},
            {"corosync_conf", who.corosync_conf_path}};
}

}  // namespace diskhb::daemon
