// SPDX-License-Identifier: BSD-3-Clause
// One run of a small cluster on a simulated volume, everything drawn from one seed: the number of
// nodes, their settings and clocks, which faults happen and how often. First the faults, during
// which nothing wrong may be delivered; then they end, and all must find together again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace diskhb::sim {

#define DISKHB_SIM_FAULTS(X)                                                                   \
    X(read_error)                                                                              \
    X(write_error)                                                                             \
    X(slow)                                                                                    \
    X(hang)                                                                                    \
    X(lost_write)                                                                              \
    X(torn_write) X(misdirected_write) X(stale_read) X(bit_flip) X(crash) X(crash_mid_write)   \
        X(restart) X(farewell) X(freeze) X(clock_rate) X(rollback) X(port_hang) X(volume_loss) \
            X(number_wrap)

enum class fault : std::size_t {
#define DISKHB_SIM_FAULT_VALUE(name) name,
    DISKHB_SIM_FAULTS(DISKHB_SIM_FAULT_VALUE)
#undef DISKHB_SIM_FAULT_VALUE
        count_
};
inline constexpr std::size_t fault_count = static_cast<std::size_t>(fault::count_);
const char* fault_name(fault which) noexcept;

struct outcome {
    std::vector<std::string> violations;  // empty: all is well
    std::string settings;                 // for people
    std::uint64_t trace_hash = 0;
    std::array<std::uint64_t, fault_count> faults{};
    std::uint64_t nodes = 0;
    std::uint64_t letters_sent = 0;
    std::uint64_t datagrams_delivered = 0;
    std::uint64_t messages_delivered = 0;
    std::uint64_t oldest_over_ttl_ns = 0;  // how much a datagram exceeded the TTL at most
    std::uint64_t virtual_ns = 0;
    std::uint64_t recovery_ns = 0;  // from the end of the faults until all exchanged letters

    // Sums and maxima.
    void add(const outcome& other);
};

// Deterministic: the same seed gives the same outcome.
outcome simulate(std::uint64_t seed);
// The same cluster without faults, and with letters that leave it time to breathe: all of them must
// arrive.
outcome simulate_health(std::uint64_t seed);

}  // namespace diskhb::sim
