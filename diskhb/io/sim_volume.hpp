// SPDX-License-Identifier: BSD-3-Clause
// The memory of a simulated shared volume, and all I/O in flight on it, in virtual time. Several
// nodes reach it through a sim_port each (sim_device.hpp). One thread for everything.
//
// A write takes effect piece by piece (64 bytes) at random instants between its start and its
// end, so a read that ends meanwhile sees old and new pieces mixed. Nothing orders two requests in
// flight. Requests of all nodes end in the order of virtual time, whoever asks first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/block_device.hpp"

namespace diskhb::io {

inline constexpr std::uint64_t sim_never_ns = UINT64_MAX;
inline constexpr std::size_t sim_piece_bytes = 64;

// Virtual time, shared by all nodes of a simulation. Starts at 1 s, for clocks that are never 0.
class sim_clock {
  public:
    std::uint64_t now_ns() const noexcept { return now_ns_; }
    // Never goes back.
    void advance_to(std::uint64_t time_ns) noexcept {
        now_ns_ = time_ns > now_ns_ ? time_ns : now_ns_;
    }

  private:
    std::uint64_t now_ns_ = 1'000'000'000;
};

// Where a channel's completions wait until it reaps them.
struct sim_mailbox {
    std::vector<completion> done;
    bool open = true;  // false once the channel is gone: then its buffers must not be touched
};

// What the requests of one port have to know of it, even when it is gone.
struct sim_port_state {
    bool hangs = false;         // while true, none of them ends
    std::uint64_t misuses = 0;  // broken contracts: see sim_port::misuses
};

// A request on its way, with what fate has in store for it.
struct sim_operation {
    enum class effect { whole, nothing, torn };

    request wanted;
    std::shared_ptr<sim_mailbox> answer_to;
    std::shared_ptr<sim_port_state> port;
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;  // when its last piece takes effect
    std::uint64_t offset = 0;  // where it really goes
    std::uint64_t chance = 0;  // decides about pieces, blocks and bits
    effect what_lands = effect::whole;
    bool hangs = false;  // ends only after release_hanging
    bool reads_stale = false;
    bool flips_bit = false;
    int error = 0;
    std::vector<std::byte> data;  // of a write
};

class sim_volume {
  public:
    // The clock must live as long as the volume. size_bytes: a multiple of block_bytes.
    sim_volume(sim_clock& clock, std::uint64_t size_bytes, std::uint32_t block_bytes = 4096);

    sim_clock& clock() noexcept { return clock_; }
    std::uint32_t block_bytes() const noexcept { return block_bytes_; }
    // What lies on the volume, to be looked at or damaged. Call settle() before.
    std::span<std::byte> bytes() noexcept { return memory_; }

    // Ends everything that is due by the clock.
    void settle();
    // When the next request ends that is in flight now; sim_never_ns if none does.
    std::uint64_t next_event_ns() const noexcept;
    void start(sim_operation operation);
    // Lets the requests of this port that hang end within `within_ns`, in random order.
    void release_hanging(const sim_port_state& port, std::uint64_t within_ns);

    // Of the writes of this port in flight only some pieces will have landed in the end.
    void tear(const sim_port_state& port);

    // Told of each write, offset and bytes, when its last piece has taken effect; one watcher.
    using watcher = std::function<void(std::uint64_t offset, std::size_t bytes)>;
    void watch(watcher told) { watcher_ = std::move(told); }

    // A storage snapshot taken, and rolled back to later. What is in flight lands all the same.
    std::vector<std::byte> snapshot() const { return memory_; }
    void restore(const std::vector<std::byte>& earlier);

  private:
    using due = std::pair<std::uint64_t, std::uint64_t>;  // time, then order of submission

    void finish(const sim_operation& operation, std::uint64_t time_ns);
    void land(const sim_operation& operation);
    void fill(const sim_operation& operation, std::uint64_t time_ns);
    void overlay(const sim_operation& write, std::uint64_t time_ns, std::uint64_t offset,
                 std::span<std::byte> into) const;
    void make_stale(const sim_operation& operation);
    void remember(std::uint64_t offset, std::size_t bytes);

    sim_clock& clock_;
    std::uint32_t block_bytes_;
    std::vector<std::byte> memory_;
    watcher watcher_;
    std::map<due, sim_operation> in_flight_;
    std::uint64_t submitted_ = 0;
    // The two contents before the present one, for stale reads; by block number.
    std::unordered_map<std::uint64_t, std::array<std::vector<std::byte>, 2>> history_;
};

}  // namespace diskhb::io
