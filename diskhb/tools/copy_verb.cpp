// SPDX-License-Identifier: BSD-3-Clause
// diskhb copy now: has what this node, or another one, wrote copied at once. diskhb copy status:
// what the running diskhb-copyd says.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "diskhb/copy.hpp"
#include "diskhb/error.hpp"
#include "plugin/ring/config.hpp"
#include "tools/copy_attributes.hpp"
#include "tools/daemon_status.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct copy_command {
    copy_request request;
    double timeout_s = 10;
    bool json = false;
};

void print_outcome(const copy_request& request, const copy_outcome& outcome) {
    const double took_ms = static_cast<double>(outcome.took.count()) / 1e6;
    if (request.from_node != 0 && outcome.was_copied) {
        fmt::print("node {} was asked; something new of it was read after {:.1f} ms\n",
                   request.from_node, took_ms);
    } else if (request.from_node != 0) {
        fmt::print("node {} was asked, and answered after {:.1f} ms\n", request.from_node, took_ms);
    } else if (outcome.was_copied) {
        fmt::print("copied in {:.1f} ms\n", took_ms);
    } else {
        fmt::print("copying has been asked for\n");
    }
}

int run_copy_now(copy_command& command) {
    command.request.timeout =
        std::chrono::milliseconds(static_cast<std::int64_t>(command.timeout_s * 1000));
    const auto outcome = copy_now(command.request);
    if (command.json) {
        const nlohmann::ordered_json value{
            {"ok", true},
            {"copied", outcome.was_copied},
            {"took_ms", static_cast<double>(outcome.took.count()) / 1e6}};
        fmt::print("{}\n", value.dump(2));
    } else {
        print_outcome(command.request, outcome);
    }
    return exit_ok;
}

struct copy_status_command {
    std::string socket = daemon::copy_socket_path_default;
    double behind_max_s = 0;
    bool json = false;
    bool attributes = false;
};

// A daemon that does not answer is a state like any other to the agent.
void print_attributes(const copy_status_command& command) {
    const auto answer = daemon_status_if_any(command.socket, "diskhb-copyd");
    fmt::print("{}", answer.status.is_null()
                         ? copy_attributes_without_daemon(answer.problem)
                         : copy_attributes(answer.status, command.behind_max_s * 1000));
}

int run_copy_status(const copy_status_command& command) {
    if (command.attributes) {
        print_attributes(command);
        return exit_ok;
    }
    const auto reply = daemon_status(command.socket, "diskhb-copyd");
    if (command.json) {
        fmt::print("{}\n", reply.dump(2, ' ', false, json::error_handler_t::replace));
    } else {
        fmt::print("{}", copy_status_text(reply));
    }
    return exit_ok;
}

void add_copy_status(CLI::App& copy, const std::shared_ptr<copy_status_command>& options) {
    CLI::App* const status =
        copy.add_subcommand("status", "Show what the running diskhb-copyd copies, and its lag");
    status->add_option("--socket", options->socket, "the control socket of diskhb-copyd")
        ->capture_default_str();
    auto* const as_json = status->add_flag("--json", options->json, "print JSON");
    auto* const as_lines =
        status
            ->add_flag("--attributes", options->attributes,
                       "print NAME=VALUE lines, for the resource agent; the exit code is 0")
            ->excludes(as_json);
    status
        ->add_option("--behind-max", options->behind_max_s,
                     "with --attributes: degraded if further behind, in seconds; 0: however far")
        ->check(CLI::Range(0.0, 3600.0))
        ->needs(as_lines)
        ->capture_default_str();
}

}  // namespace

verb add_copy(CLI::App& app) {
    auto options = std::make_shared<copy_command>();
    auto status_options = std::make_shared<copy_status_command>();
    CLI::App* const command =
        app.add_subcommand("copy", "Make what was written go to the other site");
    command->require_subcommand(1);
    CLI::App* const now = command->add_subcommand("now", "Copy at once instead of when it is due");
    now->add_option("--ring", options->request.ring,
                    "interface of the ring; all that are copied if not given");
    now->add_option("--from", options->request.from_node,
                    "let the node with this id copy its writes")
        ->check(CLI::Range(1, 128));
    now->add_flag("--wait", options->request.wait, "until it is copied, or read here with --from");
    now->add_option("--timeout", options->timeout_s, "seconds to wait at most")
        ->check(CLI::Range(0.1, 600.0))
        ->capture_default_str();
    now->add_option("--socket", options->request.socket_path, "the control socket of diskhbd")
        ->capture_default_str();
    now->add_flag("--json", options->json, "print the answer as JSON");
    add_copy_status(*command, status_options);
    return {command, [options, status_options, now] {
                return now->parsed() ? run_copy_now(*options) : run_copy_status(*status_options);
            }};
}

}  // namespace diskhb::tools
