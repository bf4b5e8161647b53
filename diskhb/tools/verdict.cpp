// SPDX-License-Identifier: BSD-3-Clause
#include "tools/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/corosync/node_paths.hpp"
#include "tools/reply_text.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

namespace {

ring_facts facts_of_ring(const json& ring) {
    ring_facts facts;
    facts.interface = text_of(ring, "interface");
    facts.link = static_cast<unsigned>(number_of(ring, "link"));
    facts.write_us = number_of(ring, "write_latency_us_p50");
    facts.read_us = number_of(ring, "read_latency_us_p50");
    const auto state = text_of(ring, "state");
    const auto error = text_of(ring, "error");
    const auto pending_ms = number_of(ring, "io_pending_ms");
    if (state != "running") {
        facts.problem = fmt::format("ring {} is {}{}{}", facts.interface, state,
                                    error.empty() ? "" : ": ", error);
    } else if (!flag_of(ring, "interface_up")) {
        facts.problem = fmt::format("interface {} is down", facts.interface);
    } else if (pending_ms >= stall_ms_max) {
        facts.problem = fmt::format("volume {} has not answered for {:.1f} s",
                                    text_of(ring, "volume"), pending_ms / 1000);
    }
    facts.works = facts.problem.empty();
    return facts;
}

std::vector<unsigned> links_of(const std::vector<ring_facts>& rings) {
    std::vector<unsigned> links;
    for (const auto& ring : rings) {
        links.push_back(ring.link);
    }
    return links;
}

// `all`: every ring of the node, so that none is taken for a network; `chosen`: those asked for.
std::vector<peer_facts> peers_of(const corosync::link_report& links,
                                 const std::vector<ring_facts>& all,
                                 const std::vector<ring_facts>& chosen) {
    std::vector<peer_facts> peers;
    for (const auto& path : corosync::paths_of(links, links_of(all), links_of(chosen))) {
        peer_facts peer;
        peer.node_id = path.node_id;
        peer.on_network = path.on_network;
        peer.on_ring = path.on_ring;
        peers.push_back(peer);
    }
    return peers;
}

void add_what_is_heard(const json& ring, std::vector<peer_facts>& peers) {
    for (const auto& node : list_of(ring, "peers")) {
        for (auto& peer : peers) {
            if (number_of(node, "node") == peer.node_id) {
                const auto state = text_of(node, "state");
                const bool is_in_time = state == "alive";
                peer.name = text_of(node, "name");
                // One ring in time is enough.
                peer.late = state == "late" ? !peer.heard || peer.late : peer.late && !is_in_time;
                peer.heard = peer.heard || is_in_time || state == "late";
            }
        }
    }
}

std::string name_of_peer(const peer_facts& peer) {
    return peer.name.empty() ? fmt::format("node {}", peer.node_id) : peer.name;
}

template <class Predicate>
std::vector<std::string> names_where(const node_facts& facts, Predicate predicate) {
    std::vector<std::string> names;
    for (const auto& peer : facts.peers) {
        if (predicate(peer)) {
            names.push_back(name_of_peer(peer));
        }
    }
    return names;
}

std::string problems_of(const node_facts& facts) {
    std::vector<std::string> problems;
    for (const auto& ring : facts.rings) {
        if (!ring.works) {
            problems.push_back(ring.problem);
        }
    }
    return fmt::format("{}", fmt::join(problems, "; "));
}

std::string reason_of(const node_report& report, const node_facts& facts) {
    const auto silent = names_where(
        facts, [](const auto& peer) { return peer.on_network && !(peer.heard && peer.on_ring); });
    const auto late = names_where(facts, [](const auto& peer) { return peer.late; });
    const auto cut =
        names_where(facts, [](const auto& peer) { return peer.heard && !peer.on_network; });
    switch (report.how) {
        case verdict::isolated:
            return "nobody is reached, neither over the network nor over the volume: " +
                   problems_of(facts);
        case verdict::storage_lost:
            return "the cluster has no spare here: " + problems_of(facts);
        case verdict::network_lost:
            return fmt::format("the network is lost; {} over the volume alone",
                               fmt::join(cut, ", "));
        case verdict::ok:
            break;
    }
    if (!cut.empty()) {
        return fmt::format("{} over the volume alone", fmt::join(cut, ", "));
    }
    if (!silent.empty()) {
        return fmt::format("the ring does not reach {}", fmt::join(silent, ", "));
    }
    if (report.peers_late != 0) {
        return fmt::format("what is written here is read too late (read_deadline_ms) by {}",
                           fmt::join(late, ", "));
    }
    return problems_of(facts);
}

}  // namespace

const char* name_of(verdict value) noexcept {
    switch (value) {
        case verdict::ok:
            return "ok";
        case verdict::network_lost:
            return "network-lost";
        case verdict::storage_lost:
            return "storage-lost";
        case verdict::isolated:
            return "isolated";
    }
    return "unknown";
}

const char* node_report::health() const noexcept {
    if (how == verdict::isolated) {
        return "red";
    }
    return is_degraded() ? "yellow" : "green";
}

node_facts facts_of(const json& status, const corosync::link_report& links,
                    const std::string& interface) {
    std::vector<ring_facts> all;
    node_facts facts;
    const auto rings = list_of(status, "rings");
    std::string names;
    for (const auto& ring : rings) {
        all.push_back(facts_of_ring(ring));
        names += (names.empty() ? "" : ", ") + all.back().interface;
        if (interface.empty() || all.back().interface == interface) {
            facts.rings.push_back(all.back());
        }
    }
    if (facts.rings.empty()) {
        throw setup_error(exit_usage, fmt::format("diskhbd has no ring {}; there are: {}",
                                                  printable(interface), names));
    }
    facts.peers = peers_of(links, all, facts.rings);
    for (const auto& ring : rings) {
        if (interface.empty() || text_of(ring, "interface") == interface) {
            add_what_is_heard(ring, facts.peers);
        }
    }
    return facts;
}

node_facts facts_without_daemon(std::vector<ring_facts> rings, const corosync::link_report& links,
                                const std::string& problem) {
    for (auto& ring : rings) {
        ring.works = false;
        ring.problem = problem;
    }
    node_facts facts;
    facts.peers = peers_of(links, rings, rings);
    // One sentence is enough for all of them.
    rings.resize(1);
    facts.rings = std::move(rings);
    return facts;
}

node_report judge(const node_facts& facts) {
    node_report report;
    report.storage = std::any_of(facts.rings.begin(), facts.rings.end(),
                                 [](const ring_facts& ring) { return ring.works; });
    unsigned connected = 0;
    unsigned cut = 0;  // alive, and not there over the network
    for (const auto& peer : facts.peers) {
        report.peers_heard += peer.heard ? 1 : 0;
        report.peers_late += peer.late ? 1 : 0;
        connected += peer.on_network ? 1 : 0;
        cut += peer.heard && !peer.on_network ? 1 : 0;
        report.on_ring = report.on_ring || (peer.on_ring && !peer.on_network);
        report.spare = report.spare && (!peer.on_network || (peer.heard && peer.on_ring));
    }
    if (report.storage) {
        report.network = !corosync::is_network_lost(connected, cut);
        report.how = report.network ? verdict::ok : verdict::network_lost;
        for (const auto& ring : facts.rings) {
            if (ring.works) {
                report.latency_us =
                    std::max(report.latency_us, rounded_up(ring.write_us + ring.read_us));
            }
        }
    } else {
        // A node that is silent everywhere may be dead or not: without the volume nobody can say.
        report.network = connected > 0;
        report.spare = false;
        report.how = report.network ? verdict::storage_lost : verdict::isolated;
    }
    report.reason = reason_of(report, facts);
    return report;
}

json to_json(const node_report& report, const node_facts& facts) {
    json value = {{"verdict", name_of(report.how)},  {"network", report.network},
                  {"storage", report.storage},       {"on_ring", report.on_ring},
                  {"spare", report.spare},           {"peers_heard", report.peers_heard},
                  {"peers_late", report.peers_late}, {"latency_us", report.latency_us},
                  {"health", report.health()},       {"degraded", report.is_degraded()},
                  {"reason", report.reason}};
    value["rings"] = json::array();
    for (const auto& ring : facts.rings) {
        value["rings"].push_back({{"interface", ring.interface},
                                  {"link", ring.link},
                                  {"works", ring.works},
                                  {"problem", ring.problem}});
    }
    value["peers"] = json::array();
    for (const auto& peer : facts.peers) {
        value["peers"].push_back({{"node", peer.node_id},
                                  {"name", peer.name},
                                  {"on_network", peer.on_network},
                                  {"on_ring", peer.on_ring},
                                  {"heard", peer.heard},
                                  {"late", peer.late}});
    }
    return value;
}

std::string to_attributes(const node_report& report) {
    const auto digit = [](bool value) { return value ? 1 : 0; };
    return fmt::format(
        "verdict={}\nstorage={}\nnetwork={}\non-ring={}\nspare={}\npeers={}\nlate={}\n"
        "latency-us={}\nhealth={}\ndegraded={}\nreason={}\n",
        name_of(report.how), digit(report.storage), digit(report.network), digit(report.on_ring),
        digit(report.spare), report.peers_heard, report.peers_late, report.latency_us,
        report.health(), digit(report.is_degraded()), report.reason);
}

std::string to_text(const node_report& report, const node_facts& facts) {
    auto text =
        in_colour(report.how == verdict::ok ? colour::good : colour::bad, name_of(report.how)) +
        (report.reason.empty() ? "" : ": " + report.reason) + "\n";
    for (const auto& peer : facts.peers) {
        text += fmt::format("  {:<16}network {:<6}ring {:<6}volume {}\n", name_of_peer(peer),
                            peer.on_network ? "yes" : "no", peer.on_ring ? "yes" : "no",
                            peer.late    ? "late"
                            : peer.heard ? "heard"
                                         : "silent");
    }
    return text;
}

std::uint64_t rounded_up(double value) noexcept {
    if (!(value > 0)) {
        return 0;
    }
    constexpr std::uint64_t largest = 10'000'000'000;  // some hours: beyond any I/O
    for (std::uint64_t power = 1; power < largest; power *= 10) {
        for (const std::uint64_t step : {1U, 2U, 5U}) {
            if (value <= static_cast<double>(step * power)) {
                return step * power;
            }
        }
    }
    return largest;
}

}  // namespace diskhb::tools
