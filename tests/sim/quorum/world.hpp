// SPDX-License-Identifier: BSD-3-Clause
// One run of the simulation: machines, volumes and a network in virtual time, all drawn from a
// seed. First faults of every kind, then everything heals. Whatever happens, at no instant may
// nodes of two rings have the vote; healed, one ring must have it, all of it, in time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "machine.hpp"

namespace diskhb::quorum_sim {

// The faults of the world; those of the devices are io::sim_fault.
enum class world_fault : std::size_t {
    partition,
    part_stands_still,  // after a partition one part does not notice it, and its daemons hang or
                        // die
    crash,
    restart,
    freeze,  // of a node as a whole
    daemon_killed,
    daemon_stopped,
    main_hangs,
    votes_hang,
    path_lost,      // one node loses a volume
    volume_lost,    // all nodes do
    majority_lost,  // more volumes than may be lost
    clock_wrong,    // by 1 % or close
    count_
};
inline constexpr std::size_t world_fault_count = static_cast<std::size_t>(world_fault::count_);
const char* name_of(world_fault which) noexcept;
const char* name_of(io::sim_fault which) noexcept;

struct run_options {
    std::uint64_t seed = 0;
    bool prints_trace = false;
    bool lies_about_timeout = false;  // the lease is told a device timeout that is too short
};

struct run_result {
    std::uint64_t trace_hash = 0;
    std::string violation;  // empty: none
    std::uint64_t healed_after_ns = 0;
    std::uint64_t heal_bound_ns = 0;
    std::uint64_t votes_given = 0;  // how often a node got the vote
    std::uint64_t late_votes = 0;
    std::uint64_t rings_formed = 0;
    std::uint64_t events = 0;
    std::array<std::uint64_t, world_fault_count> world_faults{};
    std::array<std::uint64_t, io::sim_fault_count> device_faults{};
};

class world {
  public:
    explicit world(const run_options& options);
    run_result run();

  private:
    enum class event_kind {
        chaos,
        form_rings,
        change_ring,
        thaw,
        restart,
        start_daemon,
        unhang,
        path_back,
        release
    };
    struct event {
        std::uint64_t time_ns = 0;
        std::uint64_t order = 0;
        event_kind kind = event_kind::chaos;
        unsigned node = 0;
        unsigned volume = 0;
        unsigned tries = 0;
        quorum::ring_id ring;
        quorum::slot_set members;
        bool operator>(const event& other) const noexcept {
            return std::pair(time_ns, order) > std::pair(other.time_ns, other.order);
        }
    };

    void choose_settings();
    void build();
    void schedule(std::uint64_t delay_ns, event what);
    void run_until(std::uint64_t end_ns);
    void handle(const event& what);
    void chaos();
    void strike(world_fault which);
    void split_network();
    void note_membership();
    void hold_part();
    void form_rings(unsigned tries);
    void start_daemons();
    void set_path(unsigned node, unsigned volume, bool is_lost);
    void heal();
    void check_votes();
    bool has_healed() const;
    std::uint64_t detection_ns() const;
    std::uint64_t heal_bound_ns() const;
    void trace(unsigned node, const char* what, std::uint64_t detail);
    void count(world_fault which) { ++result_.world_faults[static_cast<std::size_t>(which)]; }
    bool draws(world_fault which) const { return rates_[static_cast<std::size_t>(which)] > 0; }

    run_options options_;
    run_result result_;
    io::sim_random random_;
    io::sim_clock clock_;
    settings common_;
    unsigned nodes_ = 0;
    unsigned volume_count_ = 0;
    std::vector<std::shared_ptr<io::sim_volume>> volumes_;
    std::vector<std::vector<std::shared_ptr<io::sim_port>>> ports_;  // by node, by volume
    std::vector<std::unique_ptr<machine>> machines_;
    std::vector<unsigned> component_;  // of the network, by node
    // That part of the network keeps its rings until then.
    unsigned still_part_ = 0;
    std::uint64_t still_until_ns_ = 0;
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
    std::uint64_t scheduled_ = 0;
    std::uint64_t ring_sequence_ = 0;
    std::array<unsigned, world_fault_count> rates_{};  // relative
    bool is_healed_ = false;
    std::uint64_t token_ns_ = 0;  // Corosync's detection, at least
    std::vector<bool> last_votes_;
};

}  // namespace diskhb::quorum_sim
