// SPDX-License-Identifier: BSD-3-Clause
#include "world.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace diskhb::quorum_sim {

using io::sim_fault;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t chaos_ns = 20'000 * ms;
constexpr std::uint64_t start_ns =
    4'000 * ms;  // without faults, so that there is something to break
// Between the rings of the nodes of one membership.
constexpr std::uint64_t skew_ns = 100 * ms;

std::uint64_t in_ns(milliseconds duration) noexcept {
    return static_cast<std::uint64_t>(duration.count()) * ms;
}

}  // namespace

const char* name_of(world_fault which) noexcept {
    static constexpr const char* names[] = {
        "partition",     "part_stands_still", "crash",      "restart",    "freeze",
        "daemon_killed", "daemon_stopped",    "main_hangs", "votes_hang", "path_lost",
        "volume_lost",   "majority_lost",     "clock_wrong"};
    static_assert(std::size(names) == world_fault_count);
    return names[static_cast<std::size_t>(which)];
}

const char* name_of(sim_fault which) noexcept {
    static constexpr const char* names[] = {"read_error", "write_error", "slow",  "hang",    "lost",
                                            "torn",       "misdirected", "stale", "bit_flip"};
    static_assert(std::size(names) == io::sim_fault_count);
    return names[static_cast<std::size_t>(which)];
}

world::world(const run_options& options) : options_(options), random_(options.seed) {
    choose_settings();
    build();
}

// A swarm: each seed has its own sizes, kinds of faults and rates.
void world::choose_settings() {
    nodes_ = static_cast<unsigned>(random_.between(2, random_.chance(0.8) ? 5 : 8));
    volume_count_ = std::array{1U, 1U, 3U, 3U, 5U}[random_.below(5)];
    common_.measures.block_bytes = 4096;
    common_.measures.slots = static_cast<std::uint16_t>(nodes_);
    common_.measures.ring_bytes = 0;
    common_.measures.volume_bytes =
        common_.measures.quorum_offset() + common_.measures.table_bytes();
    common_.cluster = {1};
    quorum::timings& times = common_.times;
    times.interval = milliseconds(200);
    times.drop = milliseconds(1000);
    times.settle = milliseconds(random_.between(200, 600));
    times.margin = milliseconds(300);
    times.device_timeout = milliseconds(random_.between(800, 2000));
    times.sync_timeout = milliseconds(random_.between(2000, 6000));
    common_.device_timeout = times.device_timeout;
    if (options_.lies_about_timeout) {
        times.device_timeout = milliseconds(1);
    }
    common_.times = quorum::complete(times);
    common_.poll_slow_ns = 150 * ms;
    common_.ties.by = static_cast<quorum::tie_breaker::rule>(random_.below(3));
    common_.ties.list = {1, 0};
    token_ns_ = random_.between(300, 1000) * ms;
    for (unsigned& rate : rates_) {
        rate = random_.chance(0.6) ? static_cast<unsigned>(random_.between(1, 10)) : 0;
    }
}

void world::build() {
    for (unsigned volume = 0; volume < volume_count_; ++volume) {
        volumes_.push_back(
            std::make_shared<io::sim_volume>(clock_, common_.measures.volume_bytes, 4096));
    }
    std::array<double, io::sim_fault_count> fault_rates{};
    for (double& rate : fault_rates) {
        rate = random_.chance(0.5) ? 0.0005 * static_cast<double>(random_.between(1, 60)) : 0;
    }
    fault_rates[static_cast<std::size_t>(sim_fault::hang)] *= 0.1;
    io::sim_latency latency;
    latency.read_ns_max = random_.between(1, 20) * ms;
    latency.write_ns_max = random_.between(1, 20) * ms;
    latency.slow_ns = random_.between(100, 3000) * ms;
    ports_.resize(nodes_);
    for (unsigned node = 0; node < nodes_; ++node) {
        for (unsigned volume = 0; volume < volume_count_; ++volume) {
            auto port = std::make_shared<io::sim_port>(volumes_[volume], random_.next());
            port->set_latency(latency);
            for (std::size_t kind = 0; kind < io::sim_fault_count; ++kind) {
                port->set_rate(static_cast<sim_fault>(kind), fault_rates[kind]);
            }
            ports_[node].push_back(port);
        }
        const bool is_wrong = draws(world_fault::clock_wrong);
        const std::int64_t ppm = !is_wrong ? 0
                                 : random_.chance(0.5)
                                     ? (random_.chance(0.5) ? 10'000 : -10'000)
                                     : static_cast<std::int64_t>(random_.below(20'001)) - 10'000;
        if (is_wrong) {
            count(world_fault::clock_wrong);
        }
        machines_.push_back(std::make_unique<machine>(
            node, common_, node_clock(random_.below(1'000'000) * ms, ppm), ports_[node],
            random_.next(), [this](unsigned who, const char* what, std::uint64_t detail) {
                trace(who, what, detail);
            }));
    }
    component_.assign(nodes_, 0);
    last_votes_.assign(nodes_, false);
}

void world::schedule(std::uint64_t delay_ns, event what) {
    what.time_ns = clock_.now_ns() + delay_ns;
    what.order = scheduled_++;
    events_.push(what);
}

void world::trace(unsigned node, const char* what, std::uint64_t detail) {
    std::uint64_t hash = result_.trace_hash ^ clock_.now_ns() ^ (std::uint64_t{node} << 56);
    for (const char* letter = what; *letter != '\0'; ++letter) {
        hash = hash * 31 + static_cast<unsigned char>(*letter);
    }
    result_.trace_hash = io::mix(hash ^ io::mix(detail));
    ++result_.events;
    if (options_.prints_trace) {
        fmt::print("{:>11.6f} node {} {} {}\n", static_cast<double>(clock_.now_ns()) / 1e9,
                   node + 1, what, detail);
    }
}

run_result world::run() {
    for (auto& each : machines_) {
        each->boot(clock_.now_ns());
    }
    note_membership();
    const std::uint64_t begin_ns = clock_.now_ns();
    schedule(start_ns, {});
    run_until(begin_ns + start_ns + chaos_ns);
    heal();
    const std::uint64_t healed_ns = clock_.now_ns();
    result_.heal_bound_ns = heal_bound_ns();
    // One partition must have the vote by then, and keep it. Before, smaller ones may have it in
    // turn: nodes whose daemon has just started take part later.
    const std::uint64_t end_ns = healed_ns + result_.heal_bound_ns + 2000 * ms;
    std::uint64_t stable_ns = healed_ns;
    while (result_.violation.empty() && clock_.now_ns() < end_ns) {
        start_daemons();
        run_until(clock_.now_ns() + 10 * ms);
        stable_ns = has_healed() ? stable_ns : clock_.now_ns();
    }
    result_.healed_after_ns = stable_ns - healed_ns;
    if (result_.violation.empty() && result_.healed_after_ns > result_.heal_bound_ns) {
        result_.violation =
            fmt::format("not one partition with the vote {} ms after all has healed",
                        result_.heal_bound_ns / ms);
    }
    for (const auto& each : machines_) {
        result_.late_votes += each->late_votes();
    }
    for (const auto& by_volume : ports_) {
        for (const auto& port : by_volume) {
            for (std::size_t kind = 0; kind < io::sim_fault_count; ++kind) {
                result_.device_faults[kind] += port->count(static_cast<sim_fault>(kind));
            }
            if (port->misuses() != 0 && result_.violation.empty()) {
                result_.violation = "the contract of the I/O channel was broken";
            }
        }
    }
    if (options_.prints_trace) {
        for (const auto& each : machines_) {
            fmt::print("{}\n", each->describe());
        }
    }
    return result_;
}

void world::run_until(std::uint64_t end_ns) {
    while (result_.violation.empty()) {
        std::uint64_t next_ns = events_.empty() ? never_ns : events_.top().time_ns;
        for (const auto& volume : volumes_) {
            next_ns = std::min(next_ns, volume->next_event_ns());
        }
        for (const auto& each : machines_) {
            next_ns = std::min(next_ns, each->next_event_ns());
        }
        if (next_ns > end_ns) {
            clock_.advance_to(end_ns);
            return;
        }
        clock_.advance_to(next_ns);
        for (const auto& volume : volumes_) {
            volume->settle();
        }
        while (!events_.empty() && events_.top().time_ns <= clock_.now_ns()) {
            const event what = events_.top();
            events_.pop();
            handle(what);
        }
        for (const auto& each : machines_) {
            each->run(clock_.now_ns());
        }
        check_votes();
    }
}

// The law: nodes that have the vote at one instant are of one ring.
void world::check_votes() {
    const machine* first = nullptr;
    for (unsigned node = 0; node < nodes_; ++node) {
        const machine& each = *machines_[node];
        if (each.has_vote() != last_votes_[node]) {
            last_votes_[node] = each.has_vote();
            result_.votes_given += each.has_vote() ? 1 : 0;
        }
        if (!each.has_vote()) {
            continue;
        }
        if (first != nullptr && first->ring() != each.ring() && result_.violation.empty()) {
            result_.violation =
                fmt::format("two rings have the vote, {} and {}, at {} ns", first->ring().sequence,
                            each.ring().sequence, clock_.now_ns());
        }
        first = &each;
    }
}

void world::handle(const event& what) {
    machine& node = *machines_[what.node];
    switch (what.kind) {
        case event_kind::chaos:
            chaos();
            break;
        case event_kind::form_rings:
            form_rings(what.tries);
            break;
        case event_kind::change_ring:
            if (node.is_up() && !node.is_frozen() && what.ring.sequence > node.ring().sequence) {
                node.change_ring(what.ring, what.members, clock_.now_ns());
            }
            break;
        case event_kind::thaw:
            if (node.is_frozen()) {
                node.thaw(clock_.now_ns());
                note_membership();
            }
            break;
        case event_kind::restart:
            if (!node.is_up()) {
                count(world_fault::restart);
                node.boot(clock_.now_ns());
                note_membership();
            }
            break;
        case event_kind::start_daemon:
            if (node.is_up() && !node.has_daemon()) {
                node.start_daemon(clock_.now_ns());
            }
            break;
        case event_kind::unhang:
            node.hang_main(false);
            node.hang_votes(false);
            break;
        case event_kind::path_back:
            set_path(what.node, what.volume, false);
            break;
        case event_kind::release:
            for (const auto& by_volume : ports_) {
                for (const auto& port : by_volume) {
                    port->release_hanging(100 * ms);
                }
            }
            break;
    }
}

void world::chaos() {
    if (is_healed_) {
        return;
    }
    unsigned sum = 0;
    for (const unsigned rate : rates_) {
        sum += rate;
    }
    std::uint64_t drawn = random_.below(sum + 1);
    for (std::size_t kind = 0; kind < world_fault_count; ++kind) {
        if (drawn < rates_[kind]) {
            strike(static_cast<world_fault>(kind));
            break;
        }
        drawn -= rates_[kind];
    }
    schedule(random_.between(20, 2000) * ms, {});
    if (random_.chance(0.2)) {
        event release;
        release.kind = event_kind::release;
        schedule(random_.between(100, 4000) * ms, release);
    }
}

void world::strike(world_fault which) {
    event later;
    later.node = static_cast<unsigned>(random_.below(nodes_));
    later.volume = static_cast<unsigned>(random_.below(volume_count_));
    machine& node = *machines_[later.node];
    const std::uint64_t long_ns = random_.between(100, 6000) * ms;
    switch (which) {
        case world_fault::partition:
            count(which);
            split_network();
            return;
        case world_fault::part_stands_still:
            count(which);
            split_network();
            hold_part();
            return;
        case world_fault::crash:
            if (node.is_up()) {
                count(which);
                node.crash();
                note_membership();
                later.kind = event_kind::restart;
                schedule(long_ns, later);
            }
            return;
        case world_fault::freeze:
            if (node.is_up() && !node.is_frozen()) {
                count(which);
                node.freeze();
                trace(later.node, "freeze", long_ns);
                note_membership();
                later.kind = event_kind::thaw;
                schedule(long_ns, later);
            }
            return;
        case world_fault::daemon_killed:
        case world_fault::daemon_stopped:
            if (node.is_up() && !node.is_frozen() && node.has_daemon()) {
                count(which);
                trace(later.node, name_of(which), 0);
                if (which == world_fault::daemon_killed) {
                    node.kill_daemon(clock_.now_ns());
                } else {
                    node.stop_daemon(clock_.now_ns());
                }
                later.kind = event_kind::start_daemon;
                schedule(long_ns, later);
            }
            return;
        case world_fault::main_hangs:
        case world_fault::votes_hang:
            if (node.has_daemon()) {
                count(which);
                trace(later.node, name_of(which), long_ns);
                if (which == world_fault::main_hangs || random_.chance(0.3)) {
                    node.hang_main(true);
                }
                if (which == world_fault::votes_hang || random_.chance(0.3)) {
                    node.hang_votes(true);
                }
                later.kind = event_kind::unhang;
                schedule(long_ns, later);
            }
            return;
        case world_fault::path_lost:
            count(which);
            set_path(later.node, later.volume, true);
            later.kind = event_kind::path_back;
            schedule(long_ns, later);
            return;
        case world_fault::volume_lost:
        case world_fault::majority_lost: {
            count(which);
            const unsigned lost = which == world_fault::volume_lost ? 1 : volume_count_ / 2 + 1;
            later.kind = event_kind::path_back;
            for (unsigned i = 0; i < lost; ++i) {
                const unsigned volume = (later.volume + i) % volume_count_;
                for (unsigned who = 0; who < nodes_; ++who) {
                    set_path(who, volume, true);
                    event back = later;
                    back.node = who;
                    back.volume = volume;
                    schedule(long_ns, back);
                }
            }
            return;
        }
        default:
            return;
    }
}

// Half of the lost paths hang, half give errors.
void world::set_path(unsigned node, unsigned volume, bool is_lost) {
    io::sim_port& port = *ports_[node][volume];
    trace(node, is_lost ? "path lost" : "path back", volume);
    if (is_lost && random_.chance(0.5)) {
        port.set_rate(sim_fault::read_error, 1);
        port.set_rate(sim_fault::write_error, 1);
    } else if (is_lost) {
        port.set_hanging(true);
    } else {
        port.set_rate(sim_fault::read_error, 0);
        port.set_rate(sim_fault::write_error, 0);
        port.set_hanging(false);
    }
}

void world::split_network() {
    const std::uint64_t pieces = random_.between(1, std::min(nodes_, 4U));
    for (unsigned& each : component_) {
        each = static_cast<unsigned>(random_.below(pieces));
    }
    std::string shape;
    for (const unsigned each : component_) {
        shape += static_cast<char>('a' + each);
    }
    trace(0, shape.c_str(), pieces);
    note_membership();
}

// What makes a vote outlive its right the longest: Corosync keeps the ring that it was cast in, and
// nobody takes it back.
void world::hold_part() {
    still_part_ = component_[random_.below(nodes_)];
    still_until_ns_ = clock_.now_ns() + random_.between(500, 8000) * ms;
    for (unsigned node = 0; node < nodes_; ++node) {
        machine& each = *machines_[node];
        if (component_[node] != still_part_ || !each.is_up() || each.is_frozen() ||
            !each.has_daemon()) {
            continue;
        }
        event later;
        later.node = node;
        if (random_.chance(0.7)) {
            each.hang_votes(true);
            each.hang_main(random_.chance(0.5));
            later.kind = event_kind::unhang;
        } else {
            each.kill_daemon(clock_.now_ns());
            later.kind = event_kind::start_daemon;
        }
        schedule(random_.between(100, 8000) * ms, later);
    }
    event later;
    later.kind = event_kind::form_rings;
    schedule(still_until_ns_ - clock_.now_ns() + 1, later);
}

// Corosync will notice what has changed, each part of the network in its time.
void world::note_membership() {
    event later;
    later.kind = event_kind::form_rings;
    schedule(random_.between(token_ns_ / 2, token_ns_ * 3 / 2), later);
    schedule(token_ns_ * 3 / 2 + 1, later);
}

// Not all parts of the network at once.
void world::form_rings(unsigned tries) {
    bool is_late = false;
    for (unsigned part = 0; part < nodes_; ++part) {
        if (part == still_part_ && clock_.now_ns() < still_until_ns_) {
            continue;
        }
        if (!is_healed_ && tries < 2 && random_.chance(0.3)) {
            is_late = true;
            continue;
        }
        quorum::slot_set members;
        bool is_new = false;
        for (unsigned node = 0; node < nodes_; ++node) {
            if (component_[node] == part && machines_[node]->is_up() &&
                !machines_[node]->is_frozen()) {
                members.set(static_cast<format::slot_index>(node));
            }
        }
        quorum::ring_id ring;
        for (unsigned node = 0; node < nodes_; ++node) {
            if (members.test(static_cast<format::slot_index>(node))) {
                is_new = is_new || machines_[node]->members() != members;
                ring.node_id = ring.node_id == 0 ? node + 1 : ring.node_id;
            }
        }
        for (unsigned node = 0; node < nodes_ && !is_new; ++node) {
            for (unsigned other = 0; other < node; ++other) {
                is_new = is_new || (members.test(static_cast<format::slot_index>(node)) &&
                                    members.test(static_cast<format::slot_index>(other)) &&
                                    machines_[node]->ring() != machines_[other]->ring());
            }
        }
        if (!is_new) {
            continue;
        }
        ++result_.rings_formed;
        ring.sequence = ++ring_sequence_;
        event change;
        change.kind = event_kind::change_ring;
        change.ring = ring;
        change.members = members;
        for (unsigned node = 0; node < nodes_; ++node) {
            if (members.test(static_cast<format::slot_index>(node))) {
                change.node = node;
                schedule(random_.below(skew_ns), change);
            }
        }
    }
    if (is_late) {
        event later;
        later.kind = event_kind::form_rings;
        later.tries = tries + 1;
        schedule(random_.between(1, 600) * ms, later);
    }
}

void world::heal() {
    is_healed_ = true;
    events_ = {};
    still_until_ns_ = 0;
    // One network, or parts that stay apart: one of them must have the vote.
    if (random_.chance(0.5)) {
        component_.assign(nodes_, 0);
    } else {
        split_network();
    }
    trace(0, "all heals", 0);
    for (unsigned node = 0; node < nodes_; ++node) {
        for (unsigned volume = 0; volume < volume_count_; ++volume) {
            ports_[node][volume]->set_all_rates(0);
            ports_[node][volume]->set_hanging(false);
            ports_[node][volume]->release_hanging(100 * ms);
        }
        machine& each = *machines_[node];
        if (!each.is_up()) {
            each.boot(clock_.now_ns());
        }
        if (each.is_frozen()) {
            each.thaw(clock_.now_ns());
        }
        each.hang_main(false);
        each.hang_votes(false);
    }
    start_daemons();
    note_membership();
}

// As systemd does with those that have failed, too.
void world::start_daemons() {
    for (const auto& each : machines_) {
        if (!each->has_daemon()) {
            each->start_daemon(clock_.now_ns());
        }
    }
}

// One ring has the vote, with each of its nodes.
bool world::has_healed() const {
    const quorum::ring_id* holder = nullptr;
    for (const auto& each : machines_) {
        if (each->has_vote()) {
            holder = &each->ring();
        }
    }
    return holder != nullptr &&
           std::all_of(machines_.begin(), machines_.end(), [&](const auto& each) {
               return each->has_vote() == (each->ring() == *holder);
           });
}

std::uint64_t world::detection_ns() const { return token_ns_ * 3 / 2 + skew_ns + 20 * ms; }

std::uint64_t world::heal_bound_ns() const {
    return detection_ns() + in_ns(common_.times.drop) + in_ns(common_.times.take) * 103 / 100 +
           in_ns(quorum::recovery_max(common_.times));
}

}  // namespace diskhb::quorum_sim
