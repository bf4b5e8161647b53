// SPDX-License-Identifier: BSD-3-Clause
// diskhb quorum status: what the running diskhb-quorumd says.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "plugin/quorum/quorum_config.hpp"
#include "tools/daemon_status.hpp"
#include "tools/quorum_attributes.hpp"
#include "tools/quorum_commands.hpp"
#include "tools/quorum_status_text.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct quorum_status_command {
    std::string socket = quorum::quorum_socket_default;
    bool json = false;
    bool attributes = false;
};

// A daemon that does not answer is a state like any other to the agent.
void print_attributes(const quorum_status_command& command) {
    const auto answer = daemon_status_if_any(command.socket, "diskhb-quorumd");
    fmt::print("{}", answer.status.is_null() ? quorum_attributes_without_daemon(answer.problem)
                                             : quorum_attributes(answer.status));
}

int run_quorum_status(const quorum_status_command& command) {
    if (command.attributes) {
        print_attributes(command);
        return exit_ok;
    }
    const auto reply = daemon_status(command.socket, "diskhb-quorumd");
    if (command.json) {
        fmt::print("{}\n", reply.dump(2, ' ', false, json::error_handler_t::replace));
    } else {
        fmt::print("{}", quorum_status_text(reply));
    }
    return exit_ok;
}

}  // namespace

verb add_quorum_status(CLI::App& quorum) {
    auto options = std::make_shared<quorum_status_command>();
    CLI::App* const command = quorum.add_subcommand(
        "status", "Show vote, grant, volumes and nodes of the running diskhb-quorumd");
    command->add_option("--socket", options->socket, "the control socket of diskhb-quorumd")
        ->capture_default_str();
    auto* const as_json = command->add_flag("--json", options->json, "print JSON");
    command
        ->add_flag("--attributes", options->attributes,
                   "print NAME=VALUE lines, for the resource agent; the exit code is 0")
        ->excludes(as_json);
    return {command, [options] { return run_quorum_status(*options); }};
}

}  // namespace diskhb::tools
