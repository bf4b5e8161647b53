// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <nlohmann/json.hpp>

#include "control/control_client.hpp"
#include "diskhb/copy.hpp"

namespace diskhb {

namespace {

constexpr std::chrono::milliseconds answer_patience{5000};  // on top of what the daemon waits

}  // namespace

copy_outcome copy_now(const copy_request& request) {
    nlohmann::ordered_json question{
        {"verb", "copy"}, {"wait", request.wait}, {"timeout_ms", request.timeout.count()}};
    if (!request.ring.empty()) {
        question["ring"] = request.ring;
    }
    if (request.from_node != 0) {
        question["node"] = request.from_node;
    }
    control_client daemon(request.socket_path);
    const auto reply = daemon.demand(question, request.timeout + answer_patience);
    copy_outcome outcome;
    if (const auto copied = reply.find("copied"); copied != reply.end() && copied->is_boolean()) {
        outcome.was_copied = copied->get<bool>();
    }
    if (const auto took = reply.find("took_ms"); took != reply.end() && took->is_number()) {
        outcome.took = std::chrono::nanoseconds(std::llround(took->get<double>() * 1e6));
    }
    return outcome;
}

}  // namespace diskhb
