// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_report.hpp"

#include <nlohmann/json.hpp>

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;

double number_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
std::uint64_t count_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void take_ring(const json& ring, copy_report& report) {
    report.state = text_of(ring, "state");
    report.error = text_of(ring, "error");
    report.behind_ms = number_of(ring, "behind_ms");
    report.lag_us_p50 = number_of(ring, "lag_us_p50");
    report.lag_us_p99 = number_of(ring, "lag_us_p99");
    report.lag_us_most = number_of(ring, "lag_us_most");
    const auto counters = ring.find("counters");
    if (counters != ring.end() && counters->is_object()) {
        report.blocks_announced = count_of(*counters, "blocks_announced");
        report.ring_bytes_written = count_of(*counters, "ring_bytes_written");
    }
}

}  // namespace

copy_report command_report(const copy_runner_status& status, std::uint64_t now_ns) {
    copy_report report;
    report.mode = copy_mode::command;
    report.command = status;
    report.error = status.error;
    report.state = !status.error.empty() ? "failing" : status.is_running ? "running" : "idle";
    const std::uint64_t since_ns = status.uncovered_since_ns;
    report.behind_ms =
        since_ns == 0 || since_ns > now_ns ? 0 : static_cast<double>(now_ns - since_ns) / 1e6;
    return report;
}

copy_report builtin_report(const std::string& reply, const std::string& error,
                           const std::string& interface) {
    copy_report report;
    report.mode = copy_mode::builtin;
    report.state = "no_daemon";
    if (!error.empty()) {
        report.error = "diskhb-copyd does not answer: " + error;
        return report;
    }
    const auto object = json::parse(reply, nullptr, false);
    const auto rings = object.is_object() ? object.find("rings") : object.end();
    if (!object.is_object() || rings == object.end() || !rings->is_array()) {
        report.error = "diskhb-copyd gives no status";
        return report;
    }
    for (const auto& ring : *rings) {
        if (ring.is_object() && text_of(ring, "interface") == interface) {
            take_ring(ring, report);
            return report;
        }
    }
    report.error = "diskhb-copyd does not copy this ring: restart it with the present diskhb.toml";
    return report;
}

json to_json(const copy_report& report) {
    json value{{"mode", copy_mode_name(report.mode)}};
    if (report.mode == copy_mode::none) {
        return value;
    }
    value["peer_requests"] = report.peer_requests;
    if (report.mode == copy_mode::storage) {
        return value;
    }
    value["state"] = report.state;
    value["error"] = report.error;
    value["behind_ms"] = report.behind_ms;
    value["requests"] = report.requests;
    if (report.mode == copy_mode::command) {
        const auto& runs = report.command;
        value["runs"] = runs.runs;
        value["failures"] = runs.failures;
        value["timeouts"] = runs.timeouts;
        value["flushes"] = runs.flushes;
        value["last_run_ms"] = static_cast<double>(runs.took_ns) / 1e6;
    } else {
        value["lag_us_p50"] = report.lag_us_p50;
        value["lag_us_p99"] = report.lag_us_p99;
        value["lag_us_most"] = report.lag_us_most;
        value["blocks_announced"] = report.blocks_announced;
        value["ring_bytes_written"] = report.ring_bytes_written;
    }
    return value;
}

}  // namespace diskhb::daemon
