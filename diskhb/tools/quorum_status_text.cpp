// SPDX-License-Identifier: BSD-3-Clause
#include "tools/quorum_status_text.hpp"

#include <fmt/format.h>

#include "tools/reply_text.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

std::string members_text(const json& object) {
    std::string text;
    for (const auto& each : list_of(object, "members")) {
        if (each.is_number()) {
            text += fmt::format("{}{:.0f}", text.empty() ? "" : " ", each.get<double>());
        }
    }
    return text;
}

std::string ring_text(const json& object) {
    const auto ring = text_of(object, "ring");
    if (ring.empty()) {
        return "no ring";
    }
    const auto members = members_text(object);
    return members.empty() ? "ring " + ring : fmt::format("ring {} of nodes {}", ring, members);
}

// The node with that id among the reply's, with its name.
std::string named_node(const json& reply, double id) {
    for (const auto& each : list_of(reply, "nodes")) {
        if (number_of(each, "node") == id) {
            return node_text(each);
        }
    }
    return fmt::format("{:.0f}", id);
}

std::string vote_line(const json& reply) {
    const auto vote = object_of(reply, "vote");
    const auto state = text_of(vote, "state");
    const auto since = duration_text(number_of(vote, "since_ms") / 1000);
    if (state != "yes") {
        return fmt::format("vote {} for {}\n", in_colour(colour::bad, state), since);
    }
    return fmt::format("vote {} for {}, under grant {:.0f}, good for another {:.0f} ms\n",
                       in_colour(colour::good, "yes"), since, number_of(vote, "epoch"),
                       number_of(vote, "valid_for_ms"));
}

std::string grant_line(const json& reply) {
    const auto grant = object_of(reply, "grant");
    if (grant.empty()) {
        return in_colour(colour::bad, "nobody holds the grant") + "\n";
    }
    return fmt::format(
        "grant {:.0f} held by node {} for {}, renewed {:.0f} times, last seen {} ago; {}\n",
        number_of(grant, "epoch"), named_node(reply, number_of(grant, "holder")),
        duration_text(number_of(grant, "held_for_ms") / 1000), number_of(grant, "renewals"),
        age_text(grant, "age_ms"), ring_text(grant));
}

std::string corosync_line(const json& reply) {
    const auto corosync = object_of(reply, "corosync");
    const auto word = [](bool good, const char* yes, const char* no) {
        return good ? std::string(yes) : in_colour(colour::bad, no);
    };
    std::string line = fmt::format(
        "Corosync {}, {}, {}; {}; {:.0f} polls, {:.0f} refused",
        word(flag_of(corosync, "connected"), "connected", "not connected"),
        word(flag_of(corosync, "registered"), "device registered", "device not registered"),
        word(flag_of(corosync, "quorate"), "quorate", "not quorate"), ring_text(corosync),
        number_of(corosync, "polls"), number_of(corosync, "polls_refused"));
    if (const auto in_call_ms = number_of(corosync, "in_call_ms"); in_call_ms >= 1000) {
        line += "; " + in_colour(colour::bad,
                                 fmt::format("has not answered for {:.1f} s", in_call_ms / 1000));
    }
    return line + "\n";
}

std::string volume_lines(const json& volume) {
    const auto state = text_of(volume, "state");
    std::string text =
        fmt::format("volume {}: {}", text_of(volume, "path"), state_text(state, state == "ok", 0));
    if (const auto error = text_of(volume, "error"); !error.empty()) {
        text += ", " + in_colour(colour::bad, error);
    }
    text += fmt::format("; lost {:.0f} times\n", number_of(volume, "times_lost"));
    text += fmt::format(
        "  written {} ago (p50 {:.0f} us, max {:.0f} us), read {} ago (p50 {:.0f} us, max {:.0f} "
        "us)",
        age_text(volume, "last_write_ago_ms"), number_of(volume, "write_latency_us_p50"),
        number_of(volume, "write_latency_us_max"), age_text(volume, "last_read_ago_ms"),
        number_of(volume, "read_latency_us_p50"), number_of(volume, "read_latency_us_max"));
    if (const auto pending_ms = number_of(volume, "io_pending_ms"); pending_ms >= 1000) {
        text +=
            "; " + in_colour(colour::bad, fmt::format("no answer for {:.1f} s", pending_ms / 1000));
    }
    return text + "\n";
}

std::string node_lines(const json& reply) {
    constexpr const char* row = "{:<16}{}{:<14}{:<11}{:>8}  {:<12}{:<10}{:>9}  {}\n";
    std::string text =
        fmt::format(fmt::runtime(row), "node", fmt::format("{:<10}", "state"), "ring", "vote",
                    "score", "heuristics", "grant", "seen ago", "hears us");
    for (const auto& node : list_of(reply, "nodes")) {
        const auto state = text_of(node, "state");
        // What a silent node last said is not what it does.
        const auto vote = text_of(node, "vote");
        text += fmt::format(
            fmt::runtime(row), node_text(node), state_text(state, state == "running", 10),
            text_of(node, "ring"), state == "silent" ? "(" + vote + ")" : vote,
            fmt::format("{:.0f}", number_of(node, "score")), text_of(node, "heuristics"),
            text_of(node, "granting"), age_text(node, "seen_ago_ms"),
            flag_of(node, "hears_us") ? "yes" : "no");
    }
    return text;
}

}  // namespace

std::string quorum_status_text(const json& reply) {
    std::string text =
        fmt::format("node {} of cluster {}, diskhb-quorumd {}, up {}\n", node_text(reply),
                    in_colour(colour::bold, text_of(reply, "cluster_name")),
                    text_of(reply, "version"), duration_text(number_of(reply, "uptime_s")));
    const auto state = text_of(reply, "state");
    text += fmt::format(
        "{}{}; mode {}, the device has {:.0f} votes; score {:.0f}\n",
        state_text(state, state == "running", 0),
        flag_of(reply, "ready") ? ""
                                : in_colour(colour::bad, ", does not reach enough volumes in time"),
        text_of(reply, "mode"), number_of(reply, "device_votes"), number_of(reply, "score"));
    text += vote_line(reply) + grant_line(reply) + corosync_line(reply);
    for (const auto& volume : list_of(reply, "volumes")) {
        text += volume_lines(volume);
    }
    return text + node_lines(reply);
}

}  // namespace diskhb::tools
