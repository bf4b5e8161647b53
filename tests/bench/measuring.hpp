// SPDX-License-Identifier: BSD-3-Clause
// What all measurements share: exact waiting, times in order, and whether the machine was ours.
// CLOCK_MONOTONIC throughout, which all processes of a machine share. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace diskhb::bench {

std::uint64_t now_ns() noexcept;

// Sleeps, then spins for the last 150 us, so that the timer's own lateness (50 us and more) is not
// taken for latency; the same before both things that are compared.
void wait_until_ns(std::uint64_t at_ns) noexcept;

// Makes the calling thread's sleeps exact to some 10 us.
void expect_exact_sleeps() noexcept;

// The instants at which to send: a mean interval, each between half and one and a half of it, so
// that the schedule falls into step with no polling. The same sequence in every run.
class schedule {
  public:
    schedule(std::uint64_t start_ns, std::uint64_t interval_ns) noexcept
        : at_ns_(start_ns), spread_(interval_ns / 2, interval_ns + interval_ns / 2) {}
    std::uint64_t next_ns() { return at_ns_ += spread_(random_); }

  private:
    std::uint64_t at_ns_;
    std::mt19937_64 random_{1};
    std::uniform_int_distribution<std::uint64_t> spread_;
};

// {"count", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"}; the count alone if there is none.
nlohmann::json summary(std::vector<std::uint64_t> times_ns);
// Times at 201 evenly spaced shares of all samples, in us: a curve to plot.
nlohmann::json curve_us(std::vector<std::uint64_t> times_ns);

// The share of the machine's time that the hypervisor gave to others since it was made.
class steal_watch {
  public:
    steal_watch();
    double share() const;

  private:
    struct ticks {
        std::uint64_t all = 0;
        std::uint64_t stolen = 0;
    };
    static ticks read();
    ticks start_;
};

}  // namespace diskhb::bench
