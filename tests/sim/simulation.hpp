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

enum class fault : std::size_t {
    read_error,  // the first nine befall single I/Os, as io::sim_fault has them
    write_error,
    slow,
    hang,
    lost_write,
    torn_write,
    misdirected_write,
    stale_read,
    bit_flip,
    crash,  // power loss of a node
    crash_mid_write,
    restart,      // of a node that was down, as a new process
    farewell,     // a node leaves in order
    freeze,       // a process stands still
    clock_rate,   // the nodes' clocks run up to 2 % apart
    rollback,     // the volume is as it was some time ago
    port_hang,    // no I/O of a node ends
    volume_loss,  // a node cannot open the volume any more
    number_wrap,  // positions and sequences begin just below 2^64
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
