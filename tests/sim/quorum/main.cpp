// SPDX-License-Identifier: BSD-3-Clause
// quorum_sim: runs the quorum lease through seeds, and sums up what happened.
//
//   quorum_sim --seeds 10000            seeds 0 .. 9999, on all processors
//   quorum_sim --seed 17 --trace        one seed again, with what happened
//   quorum_sim --seeds 2000 --wrong-timeout  the exit code is 0 if it finds a violation
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "world.hpp"

namespace {

using namespace diskhb::quorum_sim;

struct totals {
    std::uint64_t runs = 0;
    std::uint64_t violations = 0;
    std::uint64_t votes_given = 0;
    std::uint64_t late_votes = 0;
    std::uint64_t rings_formed = 0;
    std::uint64_t events = 0;
    std::uint64_t hash = 0;
    std::uint64_t slowest_heal_ns = 0;
    std::uint64_t slowest_heal_bound_ns = 0;
    double highest_share = 0;  // of its bound
    std::array<std::uint64_t, world_fault_count> world_faults{};
    std::array<std::uint64_t, diskhb::io::sim_fault_count> device_faults{};

    void add(const run_result& result) {
        ++runs;
        violations += result.violation.empty() ? 0 : 1;
        votes_given += result.votes_given;
        late_votes += result.late_votes;
        rings_formed += result.rings_formed;
        events += result.events;
        hash += result.trace_hash;  // the order of the runs must not matter
        if (result.healed_after_ns > slowest_heal_ns) {
            slowest_heal_ns = result.healed_after_ns;
            slowest_heal_bound_ns = result.heal_bound_ns;
        }
        highest_share = std::max(highest_share, static_cast<double>(result.healed_after_ns) /
                                                    static_cast<double>(result.heal_bound_ns));
        for (std::size_t i = 0; i < world_faults.size(); ++i) {
            world_faults[i] += result.world_faults[i];
        }
        for (std::size_t i = 0; i < device_faults.size(); ++i) {
            device_faults[i] += result.device_faults[i];
        }
    }

    // Returns whether every kind of fault has happened.
    bool print() const {
        fmt::print("{} runs, {} violations; the vote was given {} times, {} rings, {} events\n",
                   runs, violations, votes_given, rings_formed, events);
        fmt::print(
            "healed: one partition had the vote after at most {} ms (bound of that run {} ms; "
            "at most {:.0f} % of a bound)\n",
            slowest_heal_ns / 1'000'000, slowest_heal_bound_ns / 1'000'000, 100 * highest_share);
        fmt::print("votes by a poll from before a freeze, not counted: {}\n", late_votes);
        bool all = true;
        const auto line = [&](const char* name, std::uint64_t times) {
            fmt::print("  {:<15} {:>10}\n", name, times);
            all = all && times != 0;
        };
        for (std::size_t i = 0; i < device_faults.size(); ++i) {
            line(name_of(static_cast<diskhb::io::sim_fault>(i)), device_faults[i]);
        }
        for (std::size_t i = 0; i < world_faults.size(); ++i) {
            line(name_of(static_cast<world_fault>(i)), world_faults[i]);
        }
        fmt::print("hash of all traces {:016x}\n", hash);
        return all;
    }
};

totals run_all(std::uint64_t first, std::uint64_t count, const run_options& how, unsigned jobs) {
    totals sum;
    std::mutex lock;
    std::atomic<std::uint64_t> next{first};
    std::vector<std::jthread> workers;
    for (unsigned job = 0; job < jobs; ++job) {
        workers.emplace_back([&] {
            for (std::uint64_t seed = next++; seed < first + count; seed = next++) {
                run_options options = how;
                options.seed = seed;
                const run_result result = world(options).run();
                const std::lock_guard guard(lock);
                sum.add(result);
                if (!result.violation.empty() && sum.violations <= 20) {
                    fmt::print("seed {}: {}\n", seed, result.violation);
                }
            }
        });
    }
    workers.clear();
    return sum;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Simulates the quorum lease with faults of every kind.");
    run_options how;
    std::uint64_t seeds = 100;
    std::uint64_t first = 0;
    std::int64_t single = -1;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool needs_all_faults = false;
    app.add_option("--seeds", seeds, "how many");
    app.add_option("--first", first, "the first seed");
    app.add_option("--seed", single, "only this one, twice, to compare the traces");
    app.add_option("--jobs", jobs, "threads");
    app.add_flag("--trace", how.prints_trace, "print what happens");
    app.add_flag(
        "--wrong-timeout", how.lies_about_timeout,
        "tell the lease a device timeout that is too short; fail unless that is found out");
    app.add_flag("--all-faults", needs_all_faults, "fail unless every kind of fault happened");
    CLI11_PARSE(app, argc, argv);

    if (single >= 0) {
        how.seed = static_cast<std::uint64_t>(single);
        const run_result result = world(how).run();
        how.prints_trace = false;
        const bool is_same = world(how).run().trace_hash == result.trace_hash;
        fmt::print("seed {}: trace {:016x}{}, healed after {} ms: {}\n", how.seed,
                   result.trace_hash, is_same ? "" : " BUT ANOTHER ONE THE SECOND TIME",
                   result.healed_after_ns / 1'000'000,
                   result.violation.empty() ? "no violation" : result.violation);
        return is_same && result.violation.empty() ? 0 : 1;
    }
    const auto begin = std::chrono::steady_clock::now();
    const totals sum = run_all(first, seeds, how, jobs);
    const bool all_faults = sum.print();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{:.1f} s on {} threads\n", took.count(), jobs);
    if (needs_all_faults && !all_faults) {
        fmt::print("a kind of fault never happened\n");
        return 1;
    }
    return (sum.violations != 0) == how.lies_about_timeout ? 0 : 1;
}
