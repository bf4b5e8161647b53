// SPDX-License-Identifier: BSD-3-Clause
// diskhb quorum check: reads diskhb.toml, corosync.conf and the volumes, and says what is wrong.
#include <fmt/format.h>

#include <memory>

#include "tools/quorum_check.hpp"
#include "tools/quorum_commands.hpp"
#include "tools/volume_access.hpp"

namespace diskhb::tools {
namespace {

struct quorum_check_command {
    std::string config = daemon::config_path_default;
    bool json = false;
};

std::vector<std::string> ring_volumes_of(const std::string& path) {
    const auto root = daemon::parse_toml(daemon::read_text(path), path);
    std::vector<std::string> volumes;
    if (const auto* const rings = root["ring"].as_array()) {
        for (const auto& each : *rings) {
            if (const auto* const ring = each.as_table()) {
                if (auto volume = (*ring)["volume"].value<std::string>()) {
                    volumes.push_back(std::move(*volume));
                }
            }
        }
    }
    return volumes;
}

quorum_volume_facts facts_of(const std::string& path, const std::string& cluster_name) {
    quorum_volume_facts facts;
    facts.path = path;
    try {
        const auto volume = open_for_reading(path, cluster_name);
        facts.content = volume.superblock;
        facts.slots = read_quorum_table(path, volume);
        facts.device = quorum::identify_device(path);
    } catch (const setup_error& problem) {
        facts.error = problem.what();
    }
    return facts;
}

int run_quorum_check(const quorum_check_command& command) {
    quorum_check_input input;
    input.config = quorum::read_quorum_config(command.config, quorum::real_quorum_host());
    input.conf = corosync::read_corosync_conf(input.config.corosync_conf_path);
    input.ring_volumes = ring_volumes_of(command.config);
    for (const auto& path : input.config.volumes) {
        input.volumes.push_back(facts_of(path, input.config.cluster_name));
    }
    const auto findings = check_quorum(input);
    if (command.json) {
        fmt::print("{}\n", to_json(input, findings).dump(2));
    } else {
        fmt::print("{}", to_text(input, findings));
    }
    return has_error(findings) ? exit_failed : exit_ok;
}

}  // namespace

verb add_quorum_check(CLI::App& quorum) {
    auto options = std::make_shared<quorum_check_command>();
    CLI::App* const command = quorum.add_subcommand(
        "check", "Say what is unsafe or will not work in diskhb.toml, corosync.conf and volumes");
    command->add_option("--config", options->config, "the configuration of diskhb-quorumd")
        ->capture_default_str();
    command->add_flag("--json", options->json, "print JSON");
    return {command, [options] { return run_quorum_check(*options); }};
}

}  // namespace diskhb::tools
