// SPDX-License-Identifier: BSD-3-Clause
// diskhb_sim: runs seeds of the simulation and tells what came of them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "channel_simulation.hpp"
#include "simulation.hpp"
#include "two_sites.hpp"

namespace {

using namespace diskhb::sim;

struct settings {
    std::uint64_t first = 1;
    std::uint64_t count = 100;
    std::uint64_t only = 0;  // 0: not given
    bool verbose = false;
    std::string again;  // how to run one seed alone
};

template <class Outcome>
struct sum {
    Outcome total;
    std::uint64_t failed = 0;
};

// Runs the seeds; line(outcome) is what to say of one.
template <class Outcome, class Simulate, class Line>
sum<Outcome> run_seeds(const settings& wanted, Simulate&& simulate_seed, Line&& line) {
    sum<Outcome> all;
    const auto run = [&](std::uint64_t seed) {
        const Outcome outcome = simulate_seed(seed);
        if (wanted.verbose) {
            fmt::print("seed {}: {}\n", seed, line(outcome));
        }
        for (const auto& violation : outcome.violations) {
            fmt::print("seed {}: {}\n", seed, violation);
        }
        if (!outcome.violations.empty()) {
            fmt::print("seed {} failed; to see it again: {} --seed {}\n", seed, wanted.again, seed);
            ++all.failed;
        }
        all.total.add(outcome);
        return outcome.trace_hash;
    };
    if (wanted.only != 0) {
        const auto hash = run(wanted.only);
        const bool same = run(wanted.only) == hash;
        fmt::print("trace {:016x}, {}\n", hash,
                   same ? "the same again" : "DIFFERENT when run again");
        all.failed += same ? 0 : 1;
        return all;
    }
    for (std::uint64_t seed = wanted.first; seed < wanted.first + wanted.count; ++seed) {
        run(seed);
    }
    return all;
}

std::uint64_t run_one_volume(const settings& wanted) {
    const auto line = [](const outcome& one) {
        return fmt::format("delivered {} datagrams, {} messages, {:.1f} ms above the TTL; {}",
                           one.datagrams_delivered, one.messages_delivered,
                           static_cast<double>(one.oldest_over_ttl_ns) / 1e6, one.settings);
    };
    const auto [total, failed] = run_seeds<outcome>(wanted, simulate, line);
    fmt::print("{:.1f} s virtual; letters {}, datagrams delivered {}, messages delivered {}\n",
               static_cast<double>(total.virtual_ns) / 1e9, total.letters_sent,
               total.datagrams_delivered, total.messages_delivered);
    fmt::print("most above the TTL {:.1f} ms, longest recovery {:.0f} ms\n",
               static_cast<double>(total.oldest_over_ttl_ns) / 1e6,
               static_cast<double>(total.recovery_ns) / 1e6);
    for (std::size_t which = 0; which < fault_count; ++which) {
        fmt::print("  {:<18} {}\n", fault_name(static_cast<fault>(which)), total.faults[which]);
    }
    return failed;
}

std::uint64_t run_two_sites(const settings& wanted) {
    const auto line = [](const sites_outcome& one) {
        return fmt::format("delivered {} datagrams across, {} within, {} messages; {}",
                           one.datagrams_across, one.datagrams_within, one.messages_delivered,
                           one.settings);
    };
    const auto [total, failed] = run_seeds<sites_outcome>(wanted, simulate_sites, line);
    fmt::print("letters {}, datagrams across {}, within {}, messages {}\n", total.letters_sent,
               total.datagrams_across, total.datagrams_within, total.messages_delivered);
    fmt::print("oldest across {:.1f} ms, longest recovery {:.0f} ms\n",
               static_cast<double>(total.oldest_across_ns) / 1e6,
               static_cast<double>(total.recovery_ns) / 1e6);
    fmt::print("too old {}, stale {}, torn {}, empty {}, deadline breaches {}\n",
               total.dropped_expired, total.rejected_stale, total.rejected_torn,
               total.rejected_empty, total.deadline_breaches);
    for (std::size_t which = 0; which < copy_fault_count; ++which) {
        fmt::print("  {:<18} {}\n", copy_fault_name(static_cast<copy_fault>(which)),
                   total.copy_faults[which]);
    }
    for (std::size_t which = 0; which < site_fault_count; ++which) {
        fmt::print("  {:<18} {}\n", site_fault_name(static_cast<site_fault>(which)),
                   total.faults[which]);
    }
    return failed;
}

std::uint64_t run_channel(const settings& wanted, bool cuts_alone) {
    const auto line = [](const channel_outcome& one) {
        return fmt::format("delivered {} of {} messages, {} path changes; {}",
                           one.messages_delivered, one.messages_sent, one.path_changes,
                           one.settings);
    };
    const auto [total, failed] = run_seeds<channel_outcome>(
        wanted, cuts_alone ? simulate_channel_cuts : simulate_channel, line);
    fmt::print("messages sent {}, delivered {}, given up at restarts {}, dropped as doubles {}\n",
               total.messages_sent, total.messages_delivered, total.given_up, total.duplicates);
    fmt::print("path changes {}, send() told to wait {} times\n", total.path_changes,
               total.refused_windows);
    if (cuts_alone) {
        fmt::print("held up by a cut for {:.2f} heartbeats at most\n", total.held_up_beats);
    }
    for (std::size_t which = 0; which < channel_fault_count; ++which) {
        fmt::print("  {:<18} {}\n", channel_fault_name(static_cast<channel_fault>(which)),
                   total.faults[which]);
    }
    return failed;
}

}  // namespace

int main(int argc, char** argv) {
    settings wanted;
    bool two_sites = false;
    bool channel = false;
    bool channel_cuts = false;
    CLI::App app("Runs the engine of several nodes on simulated volumes with faults");
    app.add_option("--first-seed", wanted.first, "the first seed");
    app.add_option("--seeds", wanted.count, "how many seeds");
    app.add_option("--seed", wanted.only,
                   "this seed alone, twice, and whether both runs are the same");
    app.add_flag("--sites", two_sites, "two sites that read each other from copies");
    app.add_flag("--channel", channel, "the two ends of a channel, with all faults");
    app.add_flag("--channel-cuts", channel_cuts, "the same, with cuts of the network alone");
    app.add_flag("--verbose", wanted.verbose, "one line for each seed");
    CLI11_PARSE(app, argc, argv);
    wanted.again = fmt::format("{}{}", argv[0],
                               two_sites      ? " --sites"
                               : channel_cuts ? " --channel-cuts"
                               : channel      ? " --channel"
                                              : "");

    const auto begin = std::chrono::steady_clock::now();
    const std::uint64_t failed = channel || channel_cuts ? run_channel(wanted, channel_cuts)
                                 : two_sites             ? run_two_sites(wanted)
                                                         : run_one_volume(wanted);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{} seeds failed; {:.1f} s\n", failed, took.count());
    return failed == 0 ? 0 : 1;
}
