// SPDX-License-Identifier: BSD-3-Clause
// Two sites of two nodes each that share no volume: the nodes of a site share their send volume
// and read the others from a copy of theirs, which a copier keeps. Everything is drawn from one
// seed. First the copiers do their worst and nodes and volumes fail; nothing wrong, doubled, out of
// order, foreign or too old may be delivered, by the simulation's own clock. Then they copy
// faithfully, and all must find together.
#pragma once

#include <memory>

#include "copier.hpp"
#include "virtual_node.hpp"

namespace diskhb::sim {

// What befalls nodes, volumes and links; counted.
enum class site_fault : std::size_t {
    crash,
    farewell,
    restart,
    freeze,
    clock_rate,      // the nodes' clocks run up to 2 % apart
    read_error,      // of a receive volume
    slow_read,       // likewise
    hanging_copy,    // no read of a receive volume ends
    lost_copy,       // a receive volume cannot be opened
    reborn,          // likewise, while both its reader and one that is read there start anew
    slow_write,      // of a send volume
    link_cut,        // one copier stands still, and catches up later
    old_snapshot,    // a receive volume is as it was some time ago, and copied on or not
    role_swap,       // a receive volume and the send volume of the site change places for a while
    later_snapshot,  // after an old snapshot: as it was before that
    count_
};
inline constexpr std::size_t site_fault_count = static_cast<std::size_t>(site_fault::count_);
const char* site_fault_name(site_fault which) noexcept;

struct site_plan {
    node_options options;             // of every node, but for ids and peers
    std::array<copy_plan, 2> copies;  // from site 0 to 1, from site 1 to 0
    std::uint64_t send_every_ns = 0;
    std::uint64_t slow_ns = 0;
    bool clocks_differ = false;
    bool numbers_wrap = false;
};

// The nodes, volumes and copiers, and what can be done to them.
class two_sites {
  public:
    static constexpr std::size_t node_count = 4;

    two_sites(const site_plan& plan, std::uint64_t seed);

    // Nodes 1 and 2 are at site 0, 3 and 4 at site 1.
    virtual_node& node(std::uint32_t id) { return *nodes_[id - 1]; }
    static std::size_t site_of(std::uint32_t id) { return (id - 1) / 2; }
    test::sim_ring& send_volume(std::size_t site) { return *send_[site]; }
    test::sim_ring& receive_volume(std::size_t site) { return *receive_[site]; }
    copier& copier_from(std::size_t site) { return *copiers_[site]; }
    oracle& judge() { return judge_; }
    std::uint64_t now_ns() const { return clock_->now_ns(); }
    // What `whom` says of `of`.
    peer_status status(std::uint32_t whom, std::uint32_t of);

    void start_all();
    // Lets everything happen that is due, until then. client: called before each instant.
    void run_until(std::uint64_t end_ns, const std::function<std::uint64_t()>& client = nullptr);
    bool all_whole() const;
    // Until all nodes hear one another, at most that long; a violation otherwise.
    void find_together(std::uint64_t most_ns);
    // A datagram and a message from each node to each other.
    void exchange(std::uint64_t most_ns);
    void check_rules();

  private:
    node_plan plan_of(std::uint32_t id);
    // What has not come yet; empty when all has.
    std::string exchange_round(const std::vector<std::uint64_t>& datagrams,
                               const std::vector<std::uint64_t>& messages);

    site_plan plan_;
    io::sim_random random_;
    std::shared_ptr<io::sim_clock> clock_ = std::make_shared<io::sim_clock>();
    std::array<std::unique_ptr<test::sim_ring>, 2> send_;
    std::array<std::unique_ptr<test::sim_ring>, 2> receive_;  // at that site
    std::array<std::unique_ptr<copier>, 2> copiers_;          // from that site
    oracle judge_;
    std::vector<std::unique_ptr<virtual_node>> nodes_;
};

struct sites_outcome {
    std::vector<std::string> violations;  // empty: all is well
    std::string settings;                 // for people
    std::uint64_t trace_hash = 0;
    std::array<std::uint64_t, site_fault_count> faults{};
    std::array<std::uint64_t, copy_fault_count> copy_faults{};
    std::uint64_t letters_sent = 0;
    std::uint64_t datagrams_across = 0;  // delivered from one site to the other
    std::uint64_t datagrams_within = 0;
    std::uint64_t messages_delivered = 0;
    std::uint64_t dropped_expired = 0;  // too old, or not known to be young enough
    std::uint64_t rejected_stale = 0;
    std::uint64_t rejected_torn = 0;
    std::uint64_t rejected_empty = 0;
    std::uint64_t deadline_breaches = 0;
    std::uint64_t oldest_across_ns = 0;
    std::uint64_t recovery_ns = 0;

    // Sums and maxima.
    void add(const sites_outcome& other);
};

// Deterministic: the same seed gives the same outcome.
sites_outcome simulate_sites(std::uint64_t seed);
// Without faults, copied faithfully: every datagram must arrive.
sites_outcome simulate_healthy_sites(std::uint64_t seed);

// For tests: a plan without faults, copied with that lag.
site_plan calm_sites(std::uint64_t lag_ns);

}  // namespace diskhb::sim
