// SPDX-License-Identifier: BSD-3-Clause
#include "measuring.hpp"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace diskhb::bench {
namespace {

double at_share_us(const std::vector<std::uint64_t>& sorted_ns, double share) {
    const auto last = static_cast<double>(sorted_ns.size() - 1);
    return static_cast<double>(sorted_ns[static_cast<std::size_t>(share * last + 0.5)]) / 1000;
}

}  // namespace

std::uint64_t now_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

void wait_until_ns(std::uint64_t at_ns) noexcept {
    constexpr std::uint64_t spin_ns = 150'000;
    if (at_ns > now_ns() + spin_ns) {
        const std::uint64_t wake_ns = at_ns - spin_ns;
        const timespec until{static_cast<time_t>(wake_ns / 1'000'000'000),
                             static_cast<long>(wake_ns % 1'000'000'000)};
        ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    }
    while (now_ns() < at_ns) {
    }
}

void expect_exact_sleeps() noexcept { ::prctl(PR_SET_TIMERSLACK, 1UL); }

nlohmann::json summary(std::vector<std::uint64_t> times_ns) {
    nlohmann::json row = {{"count", times_ns.size()}};
    if (times_ns.empty()) {
        return row;
    }
    std::sort(times_ns.begin(), times_ns.end());
    row["p50_us"] = at_share_us(times_ns, 0.50);
    row["p90_us"] = at_share_us(times_ns, 0.90);
    row["p99_us"] = at_share_us(times_ns, 0.99);
    row["p999_us"] = at_share_us(times_ns, 0.999);
    row["max_us"] = at_share_us(times_ns, 1);
    return row;
}

nlohmann::json curve_us(std::vector<std::uint64_t> times_ns) {
    auto points = nlohmann::json::array();
    std::sort(times_ns.begin(), times_ns.end());
    for (int step = 0; step <= 200 && !times_ns.empty(); ++step) {
        points.push_back(at_share_us(times_ns, step / 200.0));
    }
    return points;
}

steal_watch::steal_watch() : start_(read()) {}

double steal_watch::share() const {
    const ticks now = read();
    return now.all == start_.all ? 0
                                 : static_cast<double>(now.stolen - start_.stolen) /
                                       static_cast<double>(now.all - start_.all);
}

steal_watch::ticks steal_watch::read() {
    std::ifstream file("/proc/stat");
    std::string label;
    file >> label;
    ticks found;
    // proc(5): user nice system idle iowait irq softirq steal; guest time is part of user's.
    for (int field = 0; field < 8; ++field) {
        std::uint64_t value = 0;
        file >> value;
        found.all += value;
        found.stolen = value;
    }
    return found;
}

}  // namespace diskhb::bench
