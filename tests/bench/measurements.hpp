// SPDX-License-Identifier: BSD-3-Clause
// The measurements of diskhb_bench: each takes its settings and gives JSON, prints nothing.
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

}  // namespace diskhb::bench
