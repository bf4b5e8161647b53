// SPDX-License-Identifier: BSD-3-Clause
// One node of a simulation: the engine that diskhbd runs, driven step by step in virtual time as
// node.cpp drives it with a thread for the flusher and one for each area that peers are read from,
// with clients that send letters and give what they get to the oracle. One thread.
#pragma once

#include <memory>

#include "engine/ring_engine.hpp"
#include "oracle.hpp"
#include "sim_ring.hpp"

namespace diskhb::sim {

// A node's own clock: set and running differently from the simulation's.
class skewed_clock final : public engine::clock {
  public:
    skewed_clock(const io::sim_clock& real, std::uint64_t offset_ns, std::int64_t rate_ppm)
        : real_(&real), offset_ns_(offset_ns), rate_ppm_(rate_ppm) {}
    std::uint64_t now_ns() const noexcept override { return at(real_->now_ns()); }
    // The real time at which this clock shows time_ns or more.
    std::uint64_t real_ns(std::uint64_t time_ns) const noexcept;

  private:
    std::uint64_t at(std::uint64_t real_ns) const noexcept {
        const auto drift = static_cast<std::int64_t>(real_ns) * rate_ppm_ / 1'000'000;
        return offset_ns_ + real_ns + static_cast<std::uint64_t>(drift);
    }
    const io::sim_clock* real_;
    std::uint64_t offset_ns_;
    std::int64_t rate_ppm_;
};

struct node_plan {
    node_options options;  // peers, times, sizes; on_datagram is set by the node
    ring::log_start start;
    std::uint64_t clock_offset_ns = 0;
    std::int64_t clock_rate_ppm = 0;
    std::uint64_t seed = 0;
};

class virtual_node {
  public:
    // ring: the send volume; copies: the receive volumes, as in options.receive_from. All on one
    // clock.
    virtual_node(const node_plan& plan, test::sim_ring& ring, oracle& judge,
                 const std::vector<test::sim_ring*>& copies = {});
    ~virtual_node();

    std::uint32_t id() const { return plan_.options.node_id; }
    io::sim_port& port(std::size_t area = 0) { return *areas_[area].port; }
    bool is_up() const { return process_ != nullptr; }
    bool is_stopping() const;
    bool is_running() const;  // joined, and the volume is there
    // All peers alive, if late, and acknowledging us.
    bool is_whole() const;
    std::vector<peer_status> peers() const;  // none while it is down
    std::string describe() const;

    void start();
    // Power loss: the write in flight lands, or a part of it does; true if there was one.
    bool crash();
    // Says good-bye first; is_up() turns false when it has, or when crash() is called.
    void stop();
    void freeze_until(std::uint64_t real_ns) { frozen_until_ns_ = real_ns; }

    // When something is to be done at the latest, in real time. I/O that ends comes earlier.
    std::uint64_t next_ns() const;
    void step();

    // False if refused.
    bool send_datagram(std::uint32_t to, packet_type type, std::size_t size);
    bool send_message(std::uint32_t to, std::size_t size);
    void take_messages();

    std::uint64_t count(counter which) const;
    std::uint64_t strays() const { return strays_; }

  private:
    struct process;

    struct reading_place {
        test::sim_ring* ring = nullptr;
        std::shared_ptr<io::sim_port> port;
    };

    bool is_frozen() const { return ring_->now_ns() < frozen_until_ns_; }
    void step_receiver(std::size_t area);
    void step_flusher();
    void on_slot_change();
    void make_engine();
    bool open_for_reading(std::size_t area);
    bool open_for_writing();
    bool is_due(std::size_t thread);
    void close(std::unique_ptr<test::guarded_channel>& channel);
    void end_process();

    node_plan plan_;
    test::sim_ring* ring_;
    oracle* judge_;
    std::vector<reading_place> areas_;  // the send volume first
    io::sim_random random_;
    skewed_clock clock_;
    ring::counters counts_;
    std::uint64_t frozen_until_ns_ = 0;
    std::uint64_t strays_ = 0;
    std::vector<std::byte> buffer_;
    std::unique_ptr<process> process_;
};

}  // namespace diskhb::sim
