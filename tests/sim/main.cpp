// SPDX-License-Identifier: BSD-3-Clause
// diskhb_sim: runs seeds of the simulation and tells what came of them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "simulation.hpp"

int main(int argc, char** argv) {
    std::uint64_t first = 1;
    std::uint64_t count = 100;
    std::uint64_t only = 0;
    bool verbose = false;
    CLI::App app("Runs the engine of several nodes on a simulated volume with faults");
    app.add_option("--first-seed", first, "the first seed");
    app.add_option("--seeds", count, "how many seeds");
    app.add_option("--seed", only, "this seed alone, twice, and whether both runs are the same");
    app.add_flag("--verbose", verbose, "one line for each seed");
    CLI11_PARSE(app, argc, argv);

    const auto begin = std::chrono::steady_clock::now();
    diskhb::sim::outcome total;
    std::uint64_t failed = 0;
    const auto run = [&](std::uint64_t seed) {
        const auto outcome = diskhb::sim::simulate(seed);
        if (verbose) {
            fmt::print(
                "seed {}: delivered {} datagrams, {} messages, {:.1f} ms above the TTL; {}\n", seed,
                outcome.datagrams_delivered, outcome.messages_delivered,
                static_cast<double>(outcome.oldest_over_ttl_ns) / 1e6, outcome.settings);
        }
        for (const auto& violation : outcome.violations) {
            fmt::print("seed {}: {}\n", seed, violation);
        }
        if (!outcome.violations.empty()) {
            fmt::print("seed {} failed; to see it again: {} --seed {}\n", seed, argv[0], seed);
            ++failed;
        }
        total.add(outcome);
        return outcome.trace_hash;
    };
    if (app.count("--seed") != 0) {
        const auto hash = run(only);
        const bool same = run(only) == hash;
        fmt::print("trace {:016x}, {}\n", hash,
                   same ? "the same again" : "DIFFERENT when run again");
        failed += same ? 0 : 1;
    } else {
        for (std::uint64_t seed = first; seed < first + count; ++seed) {
            run(seed);
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{} seeds failed; {:.1f} s, {:.1f} s virtual\n", failed, took.count(),
               static_cast<double>(total.virtual_ns) / 1e9);
    fmt::print("letters {}, datagrams delivered {}, messages delivered {}\n", total.letters_sent,
               total.datagrams_delivered, total.messages_delivered);
    fmt::print("most above the TTL {:.1f} ms, longest recovery {:.0f} ms\n",
               static_cast<double>(total.oldest_over_ttl_ns) / 1e6,
               static_cast<double>(total.recovery_ns) / 1e6);
    for (std::size_t which = 0; which < diskhb::sim::fault_count; ++which) {
        fmt::print("  {:<18} {}\n", fault_name(static_cast<diskhb::sim::fault>(which)),
                   total.faults[which]);
    }
    return failed == 0 ? 0 : 1;
}
