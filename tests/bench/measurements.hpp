// SPDX-License-Identifier: BSD-3-Clause
// The measurements of diskhb_bench: each takes its settings and gives JSON, prints nothing
// (but for run_relay).
// A round is one stretch of the ring and one of what it is compared with, right after each other,
// and has the share of time that was stolen from the machine in it: tests/bench/run rejects
// rounds with too much.
#pragma once

#include <nlohmann/json.hpp>

#include "ring_pair.hpp"

namespace diskhb::bench {

struct round_settings {
    unsigned rounds = 10;
    unsigned stretch_ms = 1000;  // of each side, in each round
};

struct latency_settings {
    std::size_t payload_bytes = 256;
    unsigned interval_us = 1000;  // shorter than the hot time keeps the receiver hot
};

// One-way latency of a datagram, node 1 to node 2, against a write and a read of the device.
nlohmann::json measure_latency(const ring_settings& ring, const round_settings& rounds,
                               const latency_settings& settings);

// Goodput of datagrams sent as fast as they are taken, against a thread that writes and a thread
// that reads blocks of the same size at the same time.
nlohmann::json measure_throughput(const ring_settings& ring, const round_settings& rounds,
                                  std::size_t payload_bytes);

// The baseline of measure_throughput alone, on a volume of its own.
nlohmann::json measure_raw(const std::string& volume, const round_settings& rounds,
                           std::size_t payload_bytes);

// One-way latency of the simplest way over a shared block: its owner writes the newest datagram
// into it at a fixed rate, the other side reads it at that rate.
nlohmann::json measure_naive(const std::string& volume, unsigned rate_hz, unsigned seconds);

// What `nodes` idle nodes read and write, by their own count and by the kernel's (block devices
// only). Only nodes 1 and 2 poll as set; the others ten times a second, so that what is found does
// not depend on how many processes share this machine.
nlohmann::json measure_idle(const ring_settings& ring, std::uint16_t nodes, unsigned seconds);

// Node 1 writes to the ring's volume; its slot is copied to `target`, a device that is made a copy.
nlohmann::json measure_copy(const ring_settings& ring, const std::string& target,
                            const round_settings& rounds);

// Carries packets between two TUN interfaces relay0, which it makes in the network namespaces of
// two processes, without any disk. Prints "ready", then runs until it is ended.
void run_relay(int pid_one, int pid_two);

}  // namespace diskhb::bench
