// SPDX-License-Identifier: BSD-3-Clause
// diskhb ping: the round trip from daemon to daemon over the volume, without IP.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "control/control_client.hpp"
#include "diskhb/error.hpp"
#include "tools/interrupt.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;
using std::chrono::milliseconds;
constexpr milliseconds answer_patience{5000};  // on top of the ping's own timeout

struct ping_command {
    std::string node;
    std::string ring;
    std::string socket = control_socket_default;
    std::uint32_t count = 0;  // 0: until interrupted
    double interval_s = 1;
    double timeout_s = 1;
    bool json = false;
};

struct target {
    std::string interface;
    std::uint32_t node_id = 0;
    std::string name;
    std::string volume;

    std::string text() const {
        return name.empty() ? fmt::format("node {}", node_id)
                            : fmt::format("node {} ({})", node_id, printable(name));
    }
};

struct ping_sums {
    std::uint32_t sent = 0;
    std::vector<double> round_trips_us;
};

const json& chosen_ring(const json& status, const std::string& wanted) {
    const auto& rings = status.at("rings");
    if (wanted.empty() && rings.size() == 1) {
        return rings[0];
    }
    std::vector<std::string> names;
    for (const auto& ring : rings) {
        names.push_back(ring.value("interface", std::string()));
        if (names.back() == wanted) {
            return ring;
        }
    }
    throw setup_error(
        exit_usage,
        wanted.empty()
            ? fmt::format("there are several rings: choose one with --ring: {}",
                          fmt::join(names, ", "))
            : fmt::format("there is no ring {}; there are: {}", wanted, fmt::join(names, ", ")));
}

target find_target(const json& status, const ping_command& command) {
    const auto& ring = chosen_ring(status, command.ring);
    std::vector<std::string> known;
    for (const auto& peer : ring.at("peers")) {
        target found{ring.at("interface"), peer.at("node"), peer.at("name"), ring.at("volume")};
        if (command.node == std::to_string(found.node_id) ||
            (!found.name.empty() && command.node == found.name)) {
            return found;
        }
        known.push_back(found.name.empty() ? std::to_string(found.node_id) : found.name);
    }
    throw setup_error(
        exit_usage,
        fmt::format("{} is no other node of ring {}; there are: {}", printable(command.node),
                    ring.at("interface").get<std::string>(), fmt::join(known, ", ")));
}

void ping_once(control_client& client, const target& to, const ping_command& command,
               ping_sums& sums) {
    const auto timeout = milliseconds(static_cast<std::int64_t>(command.timeout_s * 1000));
    const auto reply = client.ask({{"verb", "ping"},
                                   {"ring", to.interface},
                                   {"node", to.node_id},
                                   {"timeout_ms", timeout.count()}},
                                  timeout + answer_patience);
    ++sums.sent;
    if (reply["ok"].get<bool>()) {
        const auto round_trip_us = reply.at("rtt_us").get<double>();
        sums.round_trips_us.push_back(round_trip_us);
        if (!command.json) {
            fmt::print("reply from {}: seq={} time={:.3f} ms\n", to.text(), sums.sent,
                       round_trip_us / 1000);
        }
        return;
    }
    const auto error = reply.value("error", std::string());
    if (reply.value("exit_code", exit_failed) != exit_failed) {
        throw setup_error(reply["exit_code"].get<int>(), error);
    }
    if (!command.json) {
        fmt::print("seq={}: {}\n", sums.sent, printable(error));
    }
}

struct round_trip_summary {
    double min = 0;
    double average = 0;
    double max = 0;
    double deviation = 0;
    double p50 = 0;
};

round_trip_summary summarise(std::vector<double> values) {
    if (values.empty()) {
        return {};
    }
    std::sort(values.begin(), values.end());
    double sum = 0;
    double squares = 0;
    for (const double value : values) {
        sum += value;
        squares += value * value;
    }
    const auto count = static_cast<double>(values.size());
    const double average = sum / count;
    return {values.front(), average, values.back(),
            std::sqrt(std::max(0.0, squares / count - average * average)),
            values[values.size() / 2]};
}

void print_summary(const target& to, const ping_command& command, const ping_sums& sums) {
    const auto received = sums.round_trips_us.size();
    const auto lost = sums.sent - received;
    const double lost_percent = sums.sent == 0 ? 0 : 100.0 * static_cast<double>(lost) / sums.sent;
    const auto times = summarise(sums.round_trips_us);
    if (command.json) {
        const json report{{"node", to.node_id},
                          {"name", printable(to.name)},
                          {"ring", to.interface},
                          {"volume", printable(to.volume)},
                          {"sent", sums.sent},
                          {"received", received},
                          {"lost_percent", lost_percent},
                          {"rtt_us_min", times.min},
                          {"rtt_us_avg", times.average},
                          {"rtt_us_p50", times.p50},
                          {"rtt_us_max", times.max},
                          {"rtt_us_mdev", times.deviation},
                          {"rtt_us", sums.round_trips_us}};
        fmt::print("{}\n", report.dump(2));
        return;
    }
    fmt::print("\n--- {} ping statistics ---\n{} sent, {} received, {:.0f}% lost\n", to.text(),
               sums.sent, received, lost_percent);
    if (received != 0) {
        fmt::print("round trip min/avg/max/mdev = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms\n",
                   times.min / 1000, times.average / 1000, times.max / 1000,
                   times.deviation / 1000);
    }
}

void pause(double seconds) {
    timespec left{};
    left.tv_sec = static_cast<time_t>(seconds);
    left.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
    while (!interrupted && nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

int run_ping(const ping_command& command) {
    control_client client(command.socket);
    const auto to = find_target(client.demand({{"verb", "status"}}, answer_patience), command);
    // It ends the pause between two pings, then the loop, so that the summary is printed.
    catch_signals({SIGINT});
    if (!command.json) {
        fmt::print("PING {} over ring {} on {}\n", to.text(), to.interface, printable(to.volume));
    }
    ping_sums sums;
    while (!interrupted) {
        ping_once(client, to, command, sums);
        (void)std::fflush(stdout);
        if (command.count != 0 && sums.sent >= command.count) {
            break;
        }
        pause(command.interval_s);
    }
    print_summary(to, command, sums);
    return sums.round_trips_us.empty() ? exit_failed : exit_ok;
}

}  // namespace

verb add_ping(CLI::App& app) {
    auto options = std::make_shared<ping_command>();
    CLI::App* const command =
        app.add_subcommand("ping", "Measure the round trip to a node over the volume");
    command->add_option("NODE", options->node, "node id, or name in corosync.conf")->required();
    command->add_option("-c,--count", options->count, "end after so many; 0: on interrupt")
        ->check(CLI::Range(0, 1000000))
        ->capture_default_str();
    command->add_option("-i,--interval", options->interval_s, "seconds between two")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    command->add_option("-W,--timeout", options->timeout_s, "seconds to wait for each")
        ->check(CLI::Range(0.001, 10.0))
        ->capture_default_str();
    command->add_option("--ring", options->ring, "interface of the ring, if there are several");
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    command->add_flag("--json", options->json, "print one JSON object at the end");
    return {command, [options] { return run_ping(*options); }};
}

}  // namespace diskhb::tools
