// SPDX-License-Identifier: BSD-3-Clause
// pacemaker-state: prints what Pacemaker says of itself on this node, as one line of JSON, for
// `diskhb status --cluster`. Exits with 0 whatever that is.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "plugin/pacemaker/pacemaker_state.hpp"

namespace {

using json = nlohmann::ordered_json;
using namespace diskhb::pacemaker;

// Pacemaker's libraries wait without a limit: SIGALRM ends the process, and the caller says so.
constexpr unsigned life_max_s = 10;

json to_json(const daemon_state& daemon) {
    return {
        {"state", daemon.state},
        {"error", daemon.error},
        {"last_good_ago_s", daemon.last_good_ago_s < 0 ? json() : json(daemon.last_good_ago_s)}};
}

json to_json(const cib_state& cib) {
    json value{{"connected", cib.error.empty()},
               {"error", cib.error},
               {"version", cib.version},
               {"quorate", cib.is_quorate},
               {"dc", cib.dc}};
    value["options"] = json::object();
    for (const auto& [name, setting] : cib.options) {
        value["options"][name] = setting;
    }
    value["nodes"] = json::array();
    for (const auto& node : cib.nodes) {
        value["nodes"].push_back(
            {{"name", node.name}, {"member", node.is_member}, {"online", node.is_online}});
    }
    return value;
}

json to_json(const fencing_history& history) {
    json value{{"connected", history.error.empty()}, {"error", history.error}};
    value["history"] = json::array();
    for (const auto& each : history.actions) {
        value["history"].push_back(
            {{"target", each.target},
             {"action", each.action},
             {"state", each.state},
             {"by", each.by},
             {"origin", each.origin},
             {"client", each.client},
             {"reason", each.reason},
             {"completed_at_s", each.completed_at_s == 0 ? json() : json(each.completed_at_s)}});
    }
    return value;
}

}  // namespace

int main() {
    alarm(life_max_s);
    prepare();
    const json state{{"pacemakerd", to_json(ask_pacemakerd())},
                     {"cib", to_json(ask_cib())},
                     {"fencing", to_json(ask_fencer())}};
    // Names in the CIB are the administrator's, and not always UTF-8.
    const auto line = state.dump(-1, ' ', false, json::error_handler_t::replace);
    return std::puts(line.c_str()) == EOF || std::fflush(stdout) != 0 ? 1 : 0;
}
