// SPDX-License-Identifier: BSD-3-Clause
// What the daemons say of themselves, as Prometheus reads it (text format 0.0.4). Names and units
// follow its conventions; each family is in the table of doc/metrics.md. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

// Replies to "status"; null for a daemon that does not answer, or is not asked for.
std::string metrics_text(const nlohmann::ordered_json& ring, const nlohmann::ordered_json& quorum);

// What a metrics endpoint answers to the head of an HTTP request; `text` is made only if asked for.
template <class MakeText>
std::string metrics_answer(const std::string& request, MakeText make_text);
std::string http_answer(const char* status, const std::string& type, const std::string& body);

template <class MakeText>
std::string metrics_answer(const std::string& request, MakeText make_text) {
    const auto line = request.substr(0, request.find('\r'));
    if (!line.starts_with("GET ")) {
        return http_answer("405 Method Not Allowed", "text/plain", "only GET is answered\n");
    }
    const auto path = line.substr(4, line.find_first_of(" ?", 4) - 4);
    if (path != "/metrics") {
        return http_answer("404 Not Found", "text/plain", "see /metrics\n");
    }
    return http_answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", make_text());
}

}  // namespace diskhb::tools
