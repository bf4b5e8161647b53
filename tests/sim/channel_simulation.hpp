// SPDX-License-Identifier: BSD-3-Clause
// Two ends of a channel in virtual time, on connections that are cut, broken, damaged and delayed
// as one seed says. The sessions, the codec and the cutting of bytes into frames are those of the
// library; only sockets and threads are played.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace diskhb::sim {

enum class channel_fault : std::size_t {
    network_cut,    // both ways
    one_way_cut,    // of either path
    volume_cut,     // both ways
    reset,          // a connection breaks
    bit_flip,       // in bytes on their way
    freeze,         // a process stands still
    restart,        // of one end, as a new process
    ghost,          // a connection of a life that has ended arrives
    slow_consumer,  // the application takes late; a whole run
    count_
};
inline constexpr std::size_t channel_fault_count = static_cast<std::size_t>(channel_fault::count_);
const char* channel_fault_name(channel_fault which) noexcept;

struct channel_outcome {
    std::vector<std::string> violations;  // empty: all is well
    std::string settings;
    std::uint64_t trace_hash = 0;
    std::array<std::uint64_t, channel_fault_count> faults{};
    std::uint64_t messages_sent = 0;
    std::uint64_t messages_delivered = 0;
    std::uint64_t path_changes = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t given_up = 0;         // told of at a restart of the peer
    std::uint64_t refused_windows = 0;  // send() was told to wait
    double held_up_beats = 0;           // the longest, after a cut of the network; see below

    void add(const channel_outcome& other);
};

// All faults; then they end, and all that was accepted since the last restart must come.
channel_outcome simulate_channel(std::uint64_t seed);
// Cuts of the network alone, under an even stream: no cut may hold messages up for longer than
// three heartbeats.
channel_outcome simulate_channel_cuts(std::uint64_t seed);

}  // namespace diskhb::sim
