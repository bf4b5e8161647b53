// SPDX-License-Identifier: BSD-3-Clause
// diskhb copy now: has what this node, or another one, wrote copied at once.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "diskhb/error.hpp"
#include "tools/control_client.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;
using std::chrono::milliseconds;
constexpr milliseconds answer_patience{5000};  // on top of what the daemon waits

struct copy_command {
    std::string ring;
    std::string socket = control_socket_default;
    std::uint32_t from = 0;
    double timeout_s = 10;
    bool wait = false;
    bool json = false;
};

void print_outcome(const copy_command& command, const nlohmann::ordered_json& reply) {
    const bool was_copied = reply.value("copied", false);
    const double took_ms = reply.value("took_ms", 0.0);
    if (command.from != 0 && was_copied) {
        fmt::print("node {} was asked; something new of it was read after {:.1f} ms\n",
                   command.from, took_ms);
    } else if (command.from != 0) {
        fmt::print("node {} was asked, and answered after {:.1f} ms\n", command.from, took_ms);
    } else if (was_copied) {
        fmt::print("copied in {:.1f} ms\n", took_ms);
    } else {
        fmt::print("copying has been asked for\n");
    }
}

int run_copy_now(const copy_command& command) {
    control_client client(command.socket);
    const milliseconds timeout(static_cast<std::int64_t>(command.timeout_s * 1000));
    json request{{"verb", "copy"}, {"wait", command.wait}, {"timeout_ms", timeout.count()}};
    if (!command.ring.empty()) {
        request["ring"] = command.ring;
    }
    if (command.from != 0) {
        request["node"] = command.from;
    }
    const auto reply = client.demand(request, timeout + answer_patience);
    if (command.json) {
        fmt::print("{}\n", reply.dump(2, ' ', false, json::error_handler_t::replace));
    } else {
        print_outcome(command, reply);
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
    now->add_option("--ring", options->ring,
                    "interface of the ring; all that are copied if not given");
    now->add_option("--from", options->from, "let the node with this id copy its writes")
        ->check(CLI::Range(1, 128));
    now->add_flag("--wait", options->wait, "until it is copied, or read here with --from");
    now->add_option("--timeout", options->timeout_s, "seconds to wait at most")
        ->check(CLI::Range(0.1, 600.0))
        ->capture_default_str();
    now->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    now->add_flag("--json", options->json, "print the answer as JSON");
    return {command, [options] { return run_copy_now(*options); }};
}

}  // namespace diskhb::tools
