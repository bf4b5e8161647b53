// SPDX-License-Identifier: BSD-3-Clause
#include "tools/quorum_attributes.hpp"

#include <fmt/format.h>

#include "tools/reply_text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

namespace {

struct attributes {
    std::string state;
    std::string vote = "no";
    bool is_ready = false;
    unsigned holder = 0;  // node id; 0: nobody
    unsigned volumes = 0;
    unsigned nodes = 0;
    std::string reason;
};

std::string to_lines(const attributes& values) {
    return fmt::format(
        "state={}\nvote={}\nready={}\nholder={}\nvolumes={}\nnodes={}\ndegraded={}\nreason={}\n",
        values.state, values.vote, values.is_ready ? 1 : 0, values.holder, values.volumes,
        values.nodes, values.reason.empty() ? 0 : 1, values.reason);
}

// Volumes that are lost, or that have not answered for longer than a node's block may.
std::string count_volumes(const json& status, attributes& values) {
    const auto drop_ms = number_of(object_of(status, "timings"), "drop_ms");
    std::string lost;
    for (const auto& volume : list_of(status, "volumes")) {
        if (text_of(volume, "state") == "ok" && number_of(volume, "io_pending_ms") <= drop_ms) {
            ++values.volumes;
            continue;
        }
        const auto error = text_of(volume, "error");
        lost += (lost.empty() ? "" : "; ") +
                fmt::format("volume {} is {}{}{}", text_of(volume, "path"),
                            text_of(volume, "state") == "ok" ? "silent" : text_of(volume, "state"),
                            error.empty() ? "" : ": ", error);
    }
    return lost;
}

}  // namespace

std::string quorum_attributes(const json& status) {
    attributes values;
    values.state = text_of(status, "state");
    values.vote = text_of(object_of(status, "vote"), "state");
    values.is_ready = flag_of(status, "ready");
    values.holder = static_cast<unsigned>(number_of(object_of(status, "grant"), "holder"));
    for (const auto& node : list_of(status, "nodes")) {
        values.nodes += text_of(node, "state") == "running" ? 1 : 0;
    }
    const auto lost = count_volumes(status, values);
    const auto corosync = object_of(status, "corosync");
    if (values.state != "running") {
        values.reason = "diskhb-quorumd is " + values.state;
    } else if (!flag_of(corosync, "registered")) {
        values.reason = "diskhb-quorumd is not registered with Corosync";
    } else if (!lost.empty()) {
        values.reason = lost;
    } else if (!values.is_ready) {
        values.reason = "the blocks of this node do not reach the volumes in time";
    }
    return to_lines(values);
}

std::string quorum_attributes_without_daemon(const std::string& problem) {
    attributes values;
    values.state = "unreachable";
    values.reason = problem;
    return to_lines(values);
}

}  // namespace diskhb::tools
