// SPDX-License-Identifier: BSD-3-Clause
// What this node can say of its two ways to the others, network and volume, put into one word. The
// rules, and why they are so, are in doc/pacemaker.md, "The verdict". Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/corosync/link_states.hpp"

namespace diskhb::tools {

// A volume that has not answered for longer is as good as lost.
inline constexpr double stall_ms_max = 2000;

enum class verdict {
    ok,
    network_lost,  // the others are alive, heard over the volume, and most not over the network
    storage_lost,  // no ring works here, and somebody is there over the network
    isolated,      // no ring works here, and nobody is there over the network
};
const char* name_of(verdict value) noexcept;

// One ring of this node.
struct ring_facts {
    std::string interface;
    unsigned link = 0;
    bool works = false;   // running, its interface up, its volume answering
    std::string problem;  // why not; one line
    double write_us = 0;  // median latency
    double read_us = 0;
};

// Another node of the nodelist.
struct peer_facts {
    std::uint32_t node_id = 0;
    std::string name;         // empty if not known
    bool on_network = false;  // a link that is no ring is connected
    bool on_ring = false;     // a link that is a ring is connected
    bool heard = false;       // its beat goes on, on the volume of one of the rings
    bool late = false;        // heard, and reads us later than read_deadline_ms, on all of them
};

struct node_facts {
    std::vector<ring_facts> rings;
    std::vector<peer_facts> peers;
};

// From the reply of diskhbd to "status" and Corosync's links. `interface` chooses one ring; empty:
// all. Throws setup_error(exit_usage) if there is no such ring.
node_facts facts_of(const nlohmann::ordered_json& status, const corosync::link_report& links,
                    const std::string& interface);
// The same when diskhbd does not answer: `rings` with interface and link, of its configuration.
node_facts facts_without_daemon(std::vector<ring_facts> rings, const corosync::link_report& links,
                                const std::string& problem);

struct node_report {
    verdict how = verdict::ok;
    bool network = true;           // most of the others are there over the network
    bool storage = true;           // a ring works
    bool on_ring = false;          // somebody is reached over the ring alone
    bool spare = true;             // whoever is there over the network is there over the ring too
    unsigned peers_heard = 0;      // over the volume
    unsigned peers_late = 0;       // of these, past the read deadline
    std::uint64_t latency_us = 0;  // one write and one read, rounded up to 1, 2 or 5 x 10^n
    std::string reason;            // one sentence; empty if there is nothing to say
    bool is_degraded() const noexcept {
        return how != verdict::ok || on_ring || !spare || peers_late != 0;
    }
    const char* health() const noexcept;  // "green", "yellow", "red": for #health- attributes
};
node_report judge(const node_facts& facts);

nlohmann::ordered_json to_json(const node_report& report, const node_facts& facts);
// For the resource agent, one a line: verdict=ok, storage=1 ... degraded=0, reason=...
std::string to_attributes(const node_report& report);
std::string to_text(const node_report& report, const node_facts& facts);

// 1, 2 or 5 times a power of ten, not below the value: changes seldom. 0 stays 0.
std::uint64_t rounded_up(double value) noexcept;

}  // namespace diskhb::tools
