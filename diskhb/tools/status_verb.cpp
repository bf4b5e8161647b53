// SPDX-License-Identifier: BSD-3-Clause
// diskhb status: what the running diskhbd says of its rings and peers.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "diskhb/copy.hpp"
#include "diskhb/error.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "tools/cluster_status.hpp"
#include "tools/daemon_status.hpp"
#include "tools/pacemaker_answer.hpp"
#include "tools/reply_text.hpp"
#include "tools/route_text.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct status_command {
    std::string socket = control_socket_default;
    std::string config = daemon::config_path_default;
    std::string pacemaker_helper = pacemaker_helper_default;
    bool cluster = false;
    bool json = false;
};

// Late is alive, but not in time; a peer that we hear and that does not hear us is cut off one way.
void print_peers(const json& ring) {
    fmt::print("  {:<16}{:<24}{:<10}{:>11}{:>9}{:>9}{:>10}{:>10}  {}\n", "node", "address", "state",
               "heard ago", "unread", "lost", "lag", "lag p99", "hears us");
    for (const auto& peer : ring.value("peers", json::array())) {
        const auto state = text_of(peer, "state");
        const bool hears_us =
            flag_of(peer, peer.contains("hears_us") ? "hears_us" : "acknowledges_us");
        const bool is_one_way = !hears_us && (state == "alive" || state == "late");
        fmt::print("  {:<16}{:<24}{}{:>11}{:>9.0f}{:>9.0f}{:>7.1f} ms{:>7.1f} ms  {}\n",
                   node_text(peer), text_of(peer, "address"),
                   state_text(state, state == "alive", 10), age_text(peer, "heard_ago_ms"),
                   number_of(peer, "unread_by_peer"), number_of(peer, "frames_lost"),
                   number_of(peer, "lag_us_p50") / 1000, number_of(peer, "lag_us_p99") / 1000,
                   hears_us     ? "yes"
                   : is_one_way ? in_colour(colour::bad, "no")
                                : "no");
        if (const auto breaches = number_of(peer, "deadline_breaches"); breaches > 0) {
            fmt::print("  {:<16}read later than {:.0f} ms: {:.0f} writes in {:.0f} bursts\n", "",
                       number_of(ring, "read_deadline_ms"), breaches,
                       number_of(peer, "deadline_bursts"));
        }
    }
}

void print_receive_areas(const json& ring) {
    for (const auto& area : list_of(ring, "receive")) {
        const auto state = text_of(area, "state");
        std::string nodes;
        for (const auto& node : list_of(area, "nodes")) {
            nodes += (nodes.empty() ? "" : ", ") + node.dump();
        }
        const bool was_seen = area.contains("seen_ago_ms") && area["seen_ago_ms"].is_number();
        fmt::print("  receive volume {} of nodes {}: {}, {}\n", text_of(area, "volume"), nodes,
                   state_text(state, state == "running", 0),
                   was_seen ? "read " + age_text(area, "seen_ago_ms") + " ago" : "never read");
        if (const auto error = text_of(area, "error"); !error.empty()) {
            fmt::print("    {}\n", in_colour(colour::bad, error));
        }
    }
}

void print_copy(const json& ring) {
    const auto copy = object_of(ring, "copy");
    const auto mode = text_of(copy, "mode");
    if (mode.empty() || mode == "none") {
        return;
    }
    if (mode == "storage") {
        fmt::print("  our writes are copied by the storage\n");
        return;
    }
    const auto state = text_of(copy, "state");
    const bool good = state == "copying" || state == "idle" || state == "running";
    fmt::print("  our writes are copied by {}: {}, {:.1f} ms behind",
               mode == "builtin" ? "diskhb-copyd" : "a command", state_text(state, good, 0),
               number_of(copy, "behind_ms"));
    if (mode == "builtin") {
        fmt::print("; lag {:.1f} ms (p99 {:.1f}, at most {:.1f})\n",
                   number_of(copy, "lag_us_p50") / 1000, number_of(copy, "lag_us_p99") / 1000,
                   number_of(copy, "lag_us_most") / 1000);
    } else {
        fmt::print(
            "; {:.0f} runs for {:.0f} writes, {:.0f} failed, {:.0f} of them killed; the last "
            "took {:.1f} ms\n",
            number_of(copy, "runs"), number_of(copy, "flushes"), number_of(copy, "failures"),
            number_of(copy, "timeouts"), number_of(copy, "last_run_ms"));
    }
    if (const auto error = text_of(copy, "error"); !error.empty()) {
        fmt::print("    {}\n", in_colour(colour::bad, error));
    }
}

void print_counters(const json& ring, const char* key, const char* title) {
    const auto counters = ring.value(key, json::object());
    std::string lines;
    for (const auto& [name, value] : counters.items()) {
        if (value.is_number_unsigned() && value.get<std::uint64_t>() != 0) {
            lines += fmt::format("    {:<30}{:>16}\n", printable(name), value.get<std::uint64_t>());
        }
    }
    if (!lines.empty()) {
        fmt::print("  {}\n{}", title, lines);
    }
}

void print_ring(const json& ring) {
    const auto state = text_of(ring, "state");
    fmt::print("\nring {}: {}\n", in_colour(colour::bold, text_of(ring, "interface")),
               state_text(state, state == "running", 0));
    if (const auto error = text_of(ring, "error"); !error.empty()) {
        fmt::print("  {}\n", in_colour(colour::bad, error));
    }
    fmt::print("  link {:.0f} at {}, interface {}, mtu {:.0f}, queue discipline {}\n",
               number_of(ring, "link"), text_of(ring, "address"),
               flag_of(ring, "interface_up") ? "up" : in_colour(colour::bad, "DOWN"),
               number_of(ring, "mtu"), text_of(ring, "qdisc"));
    fmt::print("  volume {}\n", text_of(ring, "volume"));
    fmt::print("  latency of a write {:.0f} us (p99 {:.0f}), of a read {:.0f} us (p99 {:.0f})",
               number_of(ring, "write_latency_us_p50"), number_of(ring, "write_latency_us_p99"),
               number_of(ring, "read_latency_us_p50"), number_of(ring, "read_latency_us_p99"));
    if (const auto pending_ms = number_of(ring, "io_pending_ms"); pending_ms >= 1000) {
        fmt::print("; {}", in_colour(colour::bad,
                                     fmt::format("no answer for {:.1f} s", pending_ms / 1000)));
    }
    fmt::print("\n");
    print_receive_areas(ring);
    print_copy(ring);
    print_peers(ring);
    print_counters(ring, "counters", "counters of the ring");
    print_counters(ring, "packets", "counters of the interface");
    print_counters(ring, "routed", "counters of the interface of the routes");
}

void print_status(const json& reply) {
    fmt::print("node {} of cluster {}, diskhbd {}, up {}\n", node_text(reply),
               in_colour(colour::bold, text_of(reply, "cluster_name")), text_of(reply, "version"),
               duration_text(number_of(reply, "uptime_s")));
    for (const auto& ring : reply.value("rings", json::array())) {
        print_ring(ring);
    }
    print_routes(reply);
}

// What the other nodes and Pacemaker say, and why if they do not: no failure of this command.
struct cluster_answer {
    json value;
    std::string text;
};

cluster_answer ask_around(const status_command& command) {
    cluster_answer answer;
    try {
        const auto picture = ask_cluster(command.config, command.socket);
        answer.value = cluster_json(picture);
        answer.value["error"] = "";
        answer.text = "\n" + cluster_text(picture);
    } catch (const setup_error& problem) {
        answer.value = {{"nodes", json::array()}, {"error", problem.what()}};
        answer.text = fmt::format("\ncluster: {}\n", printable(problem.what()));
    }
    answer.value["pacemaker"] = ask_pacemaker(command.pacemaker_helper, status_timeout);
    answer.text += pacemaker_text(answer.value["pacemaker"]);
    return answer;
}

int run_status(const status_command& command) {
    cluster_answer cluster;
    if (command.cluster) {
        cluster = ask_around(command);
    }
    json reply;
    try {
        reply = daemon_status(command.socket, "diskhbd");
    } catch (const setup_error&) {
        // What the cluster says is worth the most when diskhbd is gone.
        if (command.cluster && !command.json) {
            fmt::print("{}", cluster.text);
            (void)std::fflush(stdout);
        }
        throw;
    }
    if (command.json) {
        if (command.cluster) {
            reply["cluster"] = std::move(cluster.value);
        }
        fmt::print("{}\n", reply.dump(2, ' ', false, json::error_handler_t::replace));
        return exit_ok;
    }
    print_status(reply);
    fmt::print("{}", cluster.text);
    return exit_ok;
}

}  // namespace

verb add_status(CLI::App& app) {
    auto options = std::make_shared<status_command>();
    CLI::App* const command =
        app.add_subcommand("status", "Show the rings and peers of the running diskhbd");
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    auto* const cluster = command->add_flag(
        "--cluster", options->cluster, "also what every node of the cluster sees, and Pacemaker");
    command->add_option("--config", options->config, "diskhb.toml, to find the cluster")
        ->needs(cluster)
        ->capture_default_str();
    command
        ->add_option("--pacemaker-helper", options->pacemaker_helper,
                     "the program that asks Pacemaker")
        ->needs(cluster)
        ->capture_default_str();
    command->add_flag("--json", options->json, "print JSON, with all counters");
    return {command, [options] { return run_status(*options); }};
}

}  // namespace diskhb::tools
