// SPDX-License-Identifier: BSD-3-Clause
// diskhb setup: the steps to a ring by pcs or crmsh, printed or taken; and whether a cluster that
// has one is safe.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "diskhb/copy.hpp"
#include "diskhb/node.hpp"
#include "plugin/corosync/link_states.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "tools/configured_rings.hpp"
#include "tools/corosync_answer.hpp"
#include "tools/daemon_status.hpp"
#include "tools/setup_check.hpp"
#include "tools/setup_plan.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_meter.hpp"

namespace diskhb::tools {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct setup_command {
    bool pcs = false;
    bool crm = false;
    bool check = false;
    bool apply = false;
    bool json = false;
    bool with_quorum = false;
    bool without_agents = false;
    std::string volume;
    std::string interface = "dhb0";
    std::string network;
    std::string conf = "/etc/corosync/corosync.conf";
    std::string config = daemon::config_path_default;
    std::string socket = control_socket_default;
    unsigned seconds = 3;
};

bool exists_anywhere(std::initializer_list<const char*> paths) {
    return std::any_of(paths.begin(), paths.end(), [](const char* path) {
        std::error_code ignored;
        return fs::exists(fs::symlink_status(path, ignored));
    });
}
bool has_shim() {
    return exists_anywhere({"/lib/systemd/system/corosync-qdevice.service",
                            "/etc/systemd/system/corosync-qdevice.service"});
}
// Where systemd does not run, something else starts the daemons.
bool is_enabled(const std::string& unit) {
    if (!exists_anywhere({"/run/systemd/system"})) {
        return true;
    }
    const auto path = "/etc/systemd/system/corosync.service.wants/" + unit;
    return exists_anywhere({path.c_str()});
}

// What the volume takes says what the timers must be. Without a volume yet: of a slow array.
corosync::timers timers_for(const setup_command& command, bool is_formatted, std::size_t nodes) {
    corosync::ring_times times{50'000, 500'000};
    if (is_formatted && command.seconds != 0) {
        const auto measured = measure_volume({command.volume, std::chrono::seconds(command.seconds),
                                              false, [](auto) { return true; }});
        const auto& write = measured.write.value_or(measured.read);
        const auto poll_us = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(node_options().poll_idle)
                .count());
        const auto one_way = [&](double write_us, double read_us) {
            return corosync::one_way_us(static_cast<std::uint64_t>(write_us),
                                        static_cast<std::uint64_t>(read_us), poll_us);
        };
        times = {one_way(write.p999_us, measured.read.p999_us),
                 one_way(write.max_us, measured.read.max_us)};
    }
    return corosync::advise_timers(times, static_cast<unsigned>(nodes));
}

std::optional<unsigned> pending_link(const corosync::corosync_conf& conf,
                                     const corosync::host_identity& host) {
    const auto* const node = corosync::find_local_node(conf, host);
    for (unsigned link = 1; node != nullptr && link < conf.links.size(); ++link) {
        const auto address = corosync::parse_ip_address(node->ring_address[link]);
        if (address && std::find(host.addresses.begin(), host.addresses.end(), *address) ==
                           host.addresses.end()) {
            return link;
        }
    }
    return std::nullopt;
}

// False for what is no volume yet. One of another cluster is none of ours to touch.
bool is_formatted_for(const std::string& volume, const std::string& cluster_name) {
    std::string found;
    try {
        found = open_for_reading(volume).superblock.cluster_name;
    } catch (const setup_error& problem) {
        if (problem.exit_code() == exit_permission) {
            throw;
        }
        return false;
    }
    if (found != cluster_name) {
        throw setup_error(exit_cluster,
                          fmt::format("{}: is the volume of cluster '{}', not of '{}'", volume,
                                      found, cluster_name));
    }
    return true;
}

setup_plan make_plan(const setup_command& command) {
    if (command.volume.empty() || command.volume.front() != '/') {
        throw setup_error(exit_usage,
                          "--volume: name the shared block device, by its absolute "
                          "path, best one below /dev/disk/by-id");
    }
    setup_input input;
    input.shell = command.pcs ? cluster_shell::pcs : cluster_shell::crm;
    input.conf_text = daemon::read_text(command.conf);
    input.conf = corosync::parse_corosync_conf(input.conf_text, command.conf);
    const auto host = corosync::read_host_identity();
    input.local_addresses = host.addresses;
    input.pending_link = pending_link(input.conf, host);
    if (const auto* const node = corosync::find_local_node(input.conf, host); node != nullptr) {
        input.node_name = node->name;
    }
    input.volume = command.volume;
    input.interface = command.interface;
    input.network = command.network;
    input.config_path = command.config;
    input.has_config = exists_anywhere({command.config.c_str()});
    input.is_formatted = is_formatted_for(command.volume, input.conf.totem.cluster_name);
    input.with_quorum = command.with_quorum;
    input.with_shim = has_shim();
    input.with_agents = !command.without_agents;
    const auto nodes = std::max<std::size_t>(input.conf.nodes.size(), 2);
    input.timers = timers_for(command, input.is_formatted, nodes);
    // As in the example corosync-quorum.conf; last man standing needs one vote less than nodes.
    input.device = {static_cast<unsigned>(nodes - 1), 4000, 15000};
    return plan_setup(input);
}

bool run_command(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const auto& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t child = 0;
    if (const int error =
            posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
        error != 0) {
        throw setup_error(exit_failed, fmt::format("{}: {}", words[0], std::strerror(error)));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A file that is replaced is kept beside it.
void write_file(const setup_step& step) {
    std::error_code problem;
    fs::create_directories(fs::path(step.file).parent_path(), problem);
    if (fs::exists(step.file)) {
        fs::copy_file(step.file, step.file + ".before-diskhb", fs::copy_options::overwrite_existing,
                      problem);
    }
    std::ofstream file(step.file, std::ios::trunc);
    file << step.content << std::flush;
    if (!file || problem) {
        throw setup_error(exit_failed, fmt::format("{}: cannot be written", step.file));
    }
}

void apply(const setup_plan& plan) {
    unsigned number = 0;
    for (const auto& step : plan.steps) {
        fmt::print("# {}. {}\n", ++number, step.what);
        std::fflush(stdout);
        if (step.by_hand) {
            fmt::print("# left to you\n");
            continue;
        }
        if (!step.file.empty()) {
            fmt::print("# {} is written\n", step.file);
            write_file(step);
        }
        if (!step.command.empty()) {
            const bool is_done = run_command(step.command);
            if (!is_done && !step.may_fail) {
                throw setup_error(exit_failed,
                                  fmt::format("{} did not succeed; what was done before it stays, "
                                              "and diskhb setup may be run again",
                                              step.command[0]));
            }
        }
    }
}

int run_check(const setup_command& command) {
    setup_check_input input;
    input.conf = corosync::read_corosync_conf(command.conf);
    if (exists_anywhere({command.config.c_str()})) {
        input.ring_links = links_of(configured_rings(command.config));
    }
    try {
        input.status = daemon_status(command.socket, "diskhbd");
    } catch (const setup_error& problem) {
        input.status_problem = problem.what();
    }
    try {
        input.links = ask_corosync();
    } catch (const setup_error& problem) {
        input.links_problem = problem.what();
    }
    input.has_pcs = exists_anywhere({"/usr/sbin/pcs"});
    input.has_shim = has_shim();
    input.is_enabled = is_enabled("diskhbd.service");
    input.is_quorum_enabled = is_enabled("diskhb-quorumd.service");
    const auto findings = check_setup(input);
    if (command.json) {
        fmt::print("{}\n",
                   findings_json(findings).dump(2, ' ', false, json::error_handler_t::replace));
    } else {
        fmt::print("{}", setup_check_text(findings));
    }
    return has_error(findings) ? exit_failed : exit_ok;
}

int run_setup(const setup_command& command) {
    if (command.pcs + command.crm + command.check != 1) {
        throw setup_error(exit_usage, "choose one of --pcs, --crm and --check");
    }
    if (command.check) {
        return run_check(command);
    }
    const auto plan = make_plan(command);
    if (command.apply) {
        apply(plan);
    } else {
        fmt::print("{}", to_text(plan));
    }
    return exit_ok;
}

}  // namespace

verb add_setup(CLI::App& app) {
    auto options = std::make_shared<setup_command>();
    CLI::App* const command = app.add_subcommand(
        "setup", "Print or take the steps to a ring by pcs or crm, or check what there is");
    command->add_flag("--pcs", options->pcs, "steps for pcs");
    command->add_flag("--crm", options->crm, "steps for crmsh");
    command->add_flag("--check", options->check, "say what is unsafe in this cluster, and the fix");
    command->add_flag("--apply", options->apply,
                      "take the steps on this host; run it on each node");
    command->add_option("--volume", options->volume, "the shared block device");
    command->add_option("--interface", options->interface, "the ring's interface")
        ->capture_default_str();
    command->add_option("--network", options->network,
                        "IPv4 network for the ring's addresses; default: a free private one");
    command->add_flag("--quorum", options->with_quorum, "a quorum device on the volume too");
    command->add_flag("--no-agents", options->without_agents, "no resource agents");
    command->add_option("--seconds", options->seconds, "how long to measure the volume")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    command->add_option("--corosync", options->conf, "corosync.conf")->capture_default_str();
    command->add_option("--config", options->config, "diskhb.toml")->capture_default_str();
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    command->add_flag("--json", options->json, "print JSON, with --check");
    return {command, [options] { return run_setup(*options); }};
}

}  // namespace diskhb::tools
