// SPDX-License-Identifier: BSD-3-Clause
// diskhb copy now: has what this node, or another one, wrote copied at once.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "diskhb/copy.hpp"
#include "diskhb/error.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

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

}  // namespace

verb add_copy(CLI::App& app) {
    auto options = std::make_shared<copy_command>();
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
    return {command, [options] { return run_copy_now(*options); }};
}

}  // namespace diskhb::tools
