// SPDX-License-Identifier: BSD-3-Clause
#include "two_sites.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::sim {
namespace {

constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;

format::superblock superblock_of(std::size_t site) {
    auto content = test::small_superblock("sites", 256 * 1024, two_sites::node_count);
    content.cluster[0] = static_cast<std::uint8_t>(100 + site);
    return content;
}

// Of the clocks' rates, 1 % either way, the bound by echoes forgives nothing but what the TTL is
// longer by; of the time it takes to hand a frame out, nothing.
std::uint64_t age_ns_across(const site_plan& plan) {
    const auto ttl_ns = static_cast<std::uint64_t>(plan.options.ttl.count());
    return ttl_ns + ttl_ns / 50 + ms;
}

// Within a site the bounds of the shared volume hold as well (simulation.cpp).
std::uint64_t age_ns_within(const site_plan& plan) {
    const auto ttl_ns = static_cast<std::uint64_t>(plan.options.ttl.count());
    return ttl_ns + ttl_ns / 25 + 10 * ms + plan.slow_ns;
}

}  // namespace

two_sites::two_sites(const site_plan& plan, std::uint64_t seed)
    : plan_(plan), random_(io::mix(seed)), judge_(age_ns_within(plan)) {
    for (std::size_t site = 0; site < 2; ++site) {
        send_[site] = std::make_unique<test::sim_ring>(superblock_of(site), clock_);
        receive_[site] = std::make_unique<test::sim_ring>(superblock_of(1 - site), clock_);
    }
    for (std::size_t site = 0; site < 2; ++site) {
        copiers_[site] = std::make_unique<copier>(*send_[site], *receive_[1 - site],
                                                  plan.copies[site], random_.next());
    }
    for (std::uint32_t id = 1; id <= node_count; ++id) {
        const std::size_t site = site_of(id);
        nodes_.push_back(std::make_unique<virtual_node>(
            plan_of(id), *send_[site], judge_, std::vector<test::sim_ring*>{receive_[site].get()}));
        for (const std::size_t area : {0U, 1U}) {
            nodes_.back()->port(area).set_latency(
                {20 * us, 150 * us, 30 * us, 300 * us, plan.slow_ns});
        }
        for (std::uint32_t other = 1; other <= node_count; ++other) {
            if (site_of(other) != site) {
                judge_.limit_age(other, id, age_ns_across(plan));
            }
        }
    }
}

node_plan two_sites::plan_of(std::uint32_t id) {
    node_plan made;
    made.options = plan_.options;
    made.options.node_id = id;
    diskhb::receive_volume copy{"copy", {}};
    for (std::uint32_t peer = 1; peer <= node_count; ++peer) {
        if (peer != id) {
            made.options.peers.push_back(peer);
        }
        if (site_of(peer) != site_of(id)) {
            copy.nodes.push_back(peer);
        }
    }
    made.options.receive_from = {copy};
    if (plan_.numbers_wrap) {
        const std::uint64_t laps = random_.between(1, 3);
        made.start = {0 - laps * send_[0]->content().measures.ring_bytes, 0 - random_.below(500)};
    }
    made.clock_offset_ns = random_.below(1'000'000) * 1000 * ms;
    if (plan_.clocks_differ) {
        made.clock_rate_ppm = static_cast<std::int64_t>(random_.below(20'001)) - 10'000;
    }
    made.seed = random_.next();
    return made;
}

peer_status two_sites::status(std::uint32_t whom, std::uint32_t of) {
    for (const auto& each : node(whom).peers()) {
        if (each.node_id == of) {
            return each;
        }
    }
    return {};
}

void two_sites::start_all() {
    for (auto& each : nodes_) {
        each->start();
    }
}

void two_sites::run_until(std::uint64_t end_ns, const std::function<std::uint64_t()>& client) {
    while (now_ns() < end_ns) {
        std::uint64_t next_ns = client ? std::min(end_ns, client()) : end_ns;
        for (std::size_t site = 0; site < 2; ++site) {
            send_[site]->volume().settle();
            receive_[site]->volume().settle();
        }
        for (auto& each : copiers_) {
            each->step();
        }
        const std::size_t first = random_.below(nodes_.size());
        for (std::size_t turn = 0; turn < nodes_.size(); ++turn) {
            nodes_[(first + turn) % nodes_.size()]->step();
        }
        for (const auto& each : nodes_) {
            next_ns = std::min(next_ns, each->next_ns());
        }
        for (std::size_t site = 0; site < 2; ++site) {
            next_ns =
                std::min({next_ns, send_[site]->volume().next_event_ns(),
                          receive_[site]->volume().next_event_ns(), copiers_[site]->next_ns()});
        }
        clock_->advance_to(next_ns);
    }
}

bool two_sites::all_whole() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& each) {
        const auto peers = each->peers();
        return each->is_whole() &&
               std::all_of(peers.begin(), peers.end(),
                           [](const peer_status& peer) { return peer.hears_us; });
    });
}

void two_sites::find_together(std::uint64_t most_ns) {
    for (const std::uint64_t end_ns = now_ns() + most_ns; !all_whole();) {
        if (now_ns() >= end_ns) {
            judge_.violated(fmt::format("not together after {} ms", most_ns / ms));
            for (const auto& each : nodes_) {
                judge_.violated(each->describe());
            }
            return;
        }
        run_until(std::min(end_ns, now_ns() + 10 * ms));
    }
}

std::string two_sites::exchange_round(const std::vector<std::uint64_t>& datagrams,
                                      const std::vector<std::uint64_t>& messages) {
    std::string missing;
    for (std::size_t pair = 0; pair < datagrams.size(); ++pair) {
        const auto from = static_cast<std::uint32_t>(pair / node_count + 1);
        const auto to = static_cast<std::uint32_t>(pair % node_count + 1);
        if (from == to) {
            continue;
        }
        const bool has_datagram = judge_.datagrams_from_to(from, to) > datagrams[pair];
        const bool has_message = judge_.messages_from_to(from, to) > messages[pair];
        if (!has_datagram) {
            node(from).send_datagram(to, packet_type::cluster, 100);
        }
        if (!has_message) {
            node(from).send_message(to, 100);
        }
        node(to).take_messages();
        if (!has_datagram || !has_message) {
            missing = fmt::format("no {} from node {} to node {}",
                                  has_datagram ? "message" : "datagram", from, to);
        }
    }
    return missing;
}

void two_sites::exchange(std::uint64_t most_ns) {
    std::vector<std::uint64_t> datagrams;
    std::vector<std::uint64_t> messages;
    for (std::uint32_t from = 1; from <= node_count; ++from) {
        for (std::uint32_t to = 1; to <= node_count; ++to) {
            datagrams.push_back(judge_.datagrams_from_to(from, to));
            messages.push_back(judge_.messages_from_to(from, to));
        }
    }
    const std::uint64_t end_ns = now_ns() + most_ns;
    for (std::string missing = exchange_round(datagrams, messages); !missing.empty();
         missing = exchange_round(datagrams, messages)) {
        if (now_ns() >= end_ns) {
            judge_.violated(fmt::format("{} within {} ms", missing, most_ns / ms));
            for (const auto& each : nodes_) {
                judge_.violated(each->describe());
            }
            return;
        }
        run_until(now_ns() + 20 * ms);
    }
}

void two_sites::check_rules() {
    for (auto& each : nodes_) {
        for (const std::size_t area : {0U, 1U}) {
            if (each->port(area).misuses() != 0) {
                judge_.violated(fmt::format("node {} broke a channel's contract", each->id()));
            }
        }
        for (std::size_t which = 0; which < counter_count; ++which) {
            judge_.trace(each->count(static_cast<counter>(which)));
        }
        if (each->is_up()) {
            each->crash();
        }
        if (each->strays() != 0) {
            judge_.violated(fmt::format("node {} wrote outside its slot", each->id()));
        }
    }
}

}  // namespace diskhb::sim
