// SPDX-License-Identifier: BSD-3-Clause
// diskhb_bench MEASUREMENT VOLUME [OPTION...]: prints JSON. It formats VOLUME.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "measurements.hpp"

namespace {

using namespace diskhb;

void add_ring_options(CLI::App& to, bench::ring_settings& ring) {
    to.add_option("volume", ring.volume, "A file or device; all that it holds is lost")->required();
    to.add_option("--backend", ring.backend)
        ->check(CLI::IsMember({"automatic", "uring", "posix"}))
        ->capture_default_str();
    to.add_option("--poll-hot-us", ring.poll_hot_us)->capture_default_str();
    to.add_option("--poll-idle-us", ring.poll_idle_us)->capture_default_str();
    to.add_option("--hot-time-us", ring.hot_time_us)->capture_default_str();
    to.add_option("--beat-ms", ring.beat_ms)->capture_default_str();
    to.add_option("--batch-bytes", ring.batch_bytes)->capture_default_str();
}

void add_round_options(CLI::App& to, bench::round_settings& rounds) {
    to.add_option("--rounds", rounds.rounds)->capture_default_str();
    to.add_option("--stretch-ms", rounds.stretch_ms, "Of each side in each round")
        ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures diskhb against the bare device; prints JSON.", "diskhb_bench");
    app.require_subcommand(1);
    bench::ring_settings ring;
    bench::round_settings rounds;
    bench::latency_settings latency;
    std::size_t payload_bytes = 65536;
    unsigned rate_hz = 100;
    unsigned seconds = 4;
    std::uint16_t nodes = 2;
    int pid_one = 0;
    int pid_two = 0;
    nlohmann::json found;

    auto* const one_way = app.add_subcommand("latency", "One-way latency of a datagram");
    one_way->add_option("--payload-bytes", latency.payload_bytes)->capture_default_str();
    one_way->add_option("--interval-us", latency.interval_us)->capture_default_str();
    one_way->callback([&] { found = bench::measure_latency(ring, rounds, latency); });
    auto* const goodput = app.add_subcommand("throughput", "Goodput of datagrams");
    goodput->add_option("--payload-bytes", payload_bytes)->capture_default_str();
    goodput->callback([&] { found = bench::measure_throughput(ring, rounds, payload_bytes); });
    auto* const raw = app.add_subcommand("raw", "A writing and a reading thread, without nodes");
    raw->add_option("--payload-bytes", payload_bytes)->capture_default_str();
    raw->callback([&] { found = bench::measure_raw(ring.volume, rounds, payload_bytes); });
    auto* const naive = app.add_subcommand("naive", "One block, polled at a fixed rate");
    naive->add_option("--rate-hz", rate_hz)->capture_default_str();
    naive->callback([&] { found = bench::measure_naive(ring.volume, rate_hz, seconds); });
    auto* const idle = app.add_subcommand("idle", "I/O and processor time of idle nodes");
    idle->add_option("--nodes", nodes)->check(CLI::Range(2, 128))->capture_default_str();
    idle->callback([&] { found = bench::measure_idle(ring, nodes, seconds); });
    std::string target;
    auto* const copy = app.add_subcommand("copy", "Copying a slot to another device");
    copy->add_option("--target", target, "A file or device; all that it holds is lost")->required();
    copy->callback([&] { found = bench::measure_copy(ring, target, rounds); });
    auto* const relay = app.add_subcommand("relay", "Packets between two namespaces, no disk");
    relay->add_option("pid_one", pid_one)->required();
    relay->add_option("pid_two", pid_two)->required();
    relay->callback([&] { bench::run_relay(pid_one, pid_two); });
    for (auto* const each : {naive, idle}) {
        each->add_option("--seconds", seconds)->capture_default_str();
    }
    for (auto* const each : {one_way, goodput, raw, naive, idle, copy}) {
        add_ring_options(*each, ring);
    }
    for (auto* const each : {one_way, goodput, raw, copy}) {
        add_round_options(*each, rounds);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        return app.exit(problem);
    } catch (const setup_error& problem) {
        fmt::print(stderr, "diskhb_bench: {}\n", problem.what());
        return problem.exit_code();
    }
    fmt::print("{}\n", found.dump());
    return 0;
}
