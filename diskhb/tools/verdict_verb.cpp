// SPDX-License-Identifier: BSD-3-Clause
// diskhb verdict: network and volume of this node, in one word; for people and for the resource
// agent.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "diskhb/copy.hpp"
#include "diskhb/error.hpp"
#include "plugin/corosync/link_states.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "tools/configured_rings.hpp"
#include "tools/corosync_answer.hpp"
#include "tools/daemon_status.hpp"
#include "tools/verbs.hpp"
#include "tools/verdict.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct verdict_command {
    std::string socket = control_socket_default;
    std::string config = daemon::config_path_default;
    std::string ring;
    bool json = false;
    bool attributes = false;
};

// The links that are rings, when diskhbd cannot be asked.
std::vector<ring_facts> rings_of_file(const std::string& path, const std::string& interface) {
    std::vector<ring_facts> rings;
    bool is_there = interface.empty();
    for (const auto& each : configured_rings(path)) {
        ring_facts ring;
        ring.interface = each.interface;
        ring.link = each.link;
        rings.push_back(ring);
        is_there = is_there || each.interface == interface;
    }
    if (rings.empty()) {
        throw setup_error(exit_config, fmt::format("{}: there is no [[ring]]", path));
    }
    if (!is_there) {
        throw setup_error(exit_usage, fmt::format("{}: there is no ring {}", path, interface));
    }
    return rings;
}

node_facts gather(const verdict_command& command) {
    const auto links = ask_corosync();
    const auto answer = daemon_status_if_any(command.socket, "diskhbd");
    if (answer.status.is_null()) {
        return facts_without_daemon(rings_of_file(command.config, command.ring), links,
                                    answer.problem);
    }
    return facts_of(answer.status, links, command.ring);
}

int run_verdict(const verdict_command& command) {
    const auto facts = gather(command);
    const auto report = judge(facts);
    if (command.attributes) {
        fmt::print("{}", to_attributes(report));
        return exit_ok;
    }
    if (command.json) {
        fmt::print("{}\n",
                   to_json(report, facts).dump(2, ' ', false, json::error_handler_t::replace));
    } else {
        fmt::print("{}", to_text(report, facts));
    }
    return report.how == verdict::ok ? exit_ok : exit_failed;
}

}  // namespace

verb add_verdict(CLI::App& app) {
    auto options = std::make_shared<verdict_command>();
    CLI::App* const command = app.add_subcommand(
        "verdict", "Say whether this node has lost its network, its storage, or both");
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    command
        ->add_option("--config", options->config,
                     "which links are rings, when diskhbd does not answer")
        ->capture_default_str();
    command->add_option("--ring", options->ring, "only this ring, by its interface; default: all");
    auto* const as_json = command->add_flag("--json", options->json, "print JSON");
    command
        ->add_flag("--attributes", options->attributes,
                   "print NAME=VALUE lines, for the resource agent; the exit code is 0")
        ->excludes(as_json);
    return {command, [options] { return run_verdict(*options); }};
}

}  // namespace diskhb::tools
