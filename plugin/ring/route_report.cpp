// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_report.hpp"

#include <nlohmann/json.hpp>

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;

// "gateway", "ring", or "none": the gateway does not answer and no carrier is there.
const char* way_name(const route_report& route) {
    if (route.carrier != 0) {
        return "ring";
    }
    return route.gateway_answers ? "gateway" : "none";
}

}  // namespace

json to_json(const route_report& route) {
    const auto& config = *route.config;
    json value{{"name", config.name}, {"ring", config.ring}, {"prefixes", json::array()}};
    for (const auto& prefix : config.prefixes) {
        value["prefixes"].push_back(to_string(prefix));
    }
    if (route.is_user) {
        value["way"] = way_name(route);
        value["carrier"] = route.carrier == 0 ? json() : json(route.carrier);
        value["gateway"] = corosync::to_string(config.gateway);
        value["gateway_interface"] = route.interface;
        value["gateway_answers"] = route.gateway_answers;
        value["source"] = corosync::to_string(route.source);
        value["since_ms"] = std::chrono::duration<double, std::milli>(route.since).count();
        value["changes"] = route.changes;
        value["carriers_ready"] = route.ready;
    }
    if (route.is_carrier) {
        value["can_carry"] = route.can_carry;
        value["carried_for"] = json::array();
        for (const auto& each : route.carried_for) {
            value["carried_for"].push_back({{"node", each.node_id},
                                            {"source", corosync::to_string(each.source)},
                                            {"now", each.now}});
        }
    }
    return value;
}

}  // namespace diskhb::daemon
