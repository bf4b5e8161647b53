// SPDX-License-Identifier: BSD-3-Clause
// What is unsafe in a configuration, and what it means in words.
#include <fmt/format.h>

#include "plugin/quorum/quorum_config.hpp"

namespace diskhb::quorum {

namespace {

void check_device(const quorum_config& config, timing_report& report) {
    const device_config& device = config.device;
    const auto& conf = config.corosync_conf_path;
    if (device.provider != "corosync_votequorum") {
        report.errors.push_back(
            fmt::format("{}: quorum.provider is '{}': a quorum device needs corosync_votequorum",
                        conf, device.provider));
    }
    if (device.model != "disk") {
        report.errors.push_back(fmt::format(
            "{}: quorum.device.model is '{}': set it to disk, so that Corosync and its tools know "
            "whose device it is",
            conf, device.model));
    }
    for (const auto& key : device.conflicts) {
        report.errors.push_back(
            fmt::format("{}: quorum.{} is set: Corosync takes it or a quorum device, not both; "
                        "remove it",
                        conf, key));
    }
    for (const auto node_id : device.unequal_nodes) {
        report.errors.push_back(
            fmt::format("{}: quorum_votes of node {} is not 1: the votes of the device are counted "
                        "for nodes of one vote each; remove it",
                        conf, node_id));
    }
}

void check_votes(const quorum_config& config, timing_report& report) {
    const auto nodes = static_cast<unsigned>(config.nodes.size());
    if (const auto error = check_votes(config.how, nodes, config.device.votes)) {
        report.errors.push_back(fmt::format("{}: {}", config.corosync_conf_path, *error));
        return;
    }
    const unsigned expected = nodes + config.device.votes;
    if (config.device.expected_votes && *config.device.expected_votes != expected) {
        report.errors.push_back(fmt::format(
            "{}: quorum.expected_votes is {}, but {} nodes and a device of {} votes have {}; "
            "remove it",
            config.corosync_conf_path, *config.device.expected_votes, nodes, config.device.votes,
            expected));
    }
}

std::string ties_text(const tie_breaker& ties) {
    switch (ties.by) {
        case tie_breaker::rule::lowest:
            return "the lowest node id";
        case tie_breaker::rule::highest:
            return "the highest node id";
        case tie_breaker::rule::list:
            break;
    }
    std::vector<unsigned> ids;
    for (const auto slot : ties.list) {
        ids.push_back(slot + 1U);
    }
    return fmt::format("the first of nodes {}", fmt::join(ids, ", "));
}

std::string heuristics_text(const heuristics_config& heuristics) {
    if (heuristics.mode == heuristics_config::when::off) {
        return "heuristics off";
    }
    std::string text = fmt::format("heuristics {}: when the ring changes, for at most {} ms",
                                   name_of(heuristics.mode), heuristics.sync_timeout.count());
    if (heuristics.mode == heuristics_config::when::on) {
        text += fmt::format("; every {} ms, for at most {} ms", heuristics.interval.count(),
                            heuristics.timeout.count());
    }
    for (const auto& command : heuristics.commands) {
        text += fmt::format("\n  {}: {}", command.name, fmt::join(command.words, " "));
    }
    return text;
}

}  // namespace

timing_report check(const quorum_config& config) {
    timing_report report;
    check_device(config, report);
    check_votes(config, report);
    const timing_report times = check(config.times);
    for (const auto& error : times.errors) {
        report.errors.push_back(fmt::format("{}: [quorum] {}", config.path, error));
    }
    for (const auto& warning : times.warnings) {
        report.warnings.push_back(fmt::format("{}: [quorum] {}", config.path, warning));
    }
    return report;
}

std::string describe(const quorum_config& config) {
    const auto nodes = static_cast<unsigned>(config.nodes.size());
    auto text = fmt::format("node {} ({}) of cluster {}, from {}; control socket {}\n",
                            config.node_id, config.node_name.empty() ? "-" : config.node_name,
                            config.cluster_name, config.corosync_conf_path, config.control_socket);
    text += fmt::format("mode {}: {} nodes, {} device votes, quorum is {} of {}\n",
                        name_of(config.how), nodes, config.device.votes,
                        (nodes + config.device.votes) / 2 + 1, nodes + config.device.votes);
    text +=
        fmt::format("the vote goes to the most nodes, then the highest score (ours {}), then {}\n",
                    config.score, ties_text(config.ties));
    text += heuristics_text(config.heuristics) + "\n";
    for (const auto& line : explain(config.times)) {
        text += line + "\n";
    }
    return text;
}

}  // namespace diskhb::quorum
