// SPDX-License-Identifier: BSD-3-Clause
// What a seed does to two sites.
#include <fmt/format.h>

#include <algorithm>

#include "two_sites.hpp"

namespace diskhb::sim {
namespace {

using std::chrono::nanoseconds;
constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;
constexpr std::uint64_t second = 1000 * ms;

std::uint64_t ns(nanoseconds duration) { return static_cast<std::uint64_t>(duration.count()); }

node_options draw_options(io::sim_random& random) {
    node_options made;
    const std::uint64_t beat_ns = random.between(20, 100) * ms;
    made.ttl = nanoseconds(random.between(100, 600) * ms);
    made.beat_interval = nanoseconds(beat_ns);
    made.peer_timeout = nanoseconds(std::max(beat_ns * random.between(4, 8), 300 * ms));
    made.read_deadline = nanoseconds(random.chance(0.8) ? random.between(5, 300) * ms : 0);
    made.poll_idle = nanoseconds(random.between(3, 20) * ms);
    made.poll_hot = nanoseconds(random.between(200, 800) * us);
    made.hot_time = nanoseconds(random.between(1, 3) * ms);
    made.flush_when_idle = random.chance(0.9);
    made.fill_bytes = random.between(1000, 60'000);
    made.flush_deadline = nanoseconds(random.between(1, 10) * ms);
    made.queue_bytes = 300 * 1024;
    made.batch_bytes = random.chance(0.5) ? 1 << 20 : 90 * 1024;
    made.message_window_bytes = 96 * 1024;
    return made;
}

copy_plan draw_copy(io::sim_random& random) {
    copy_plan made;
    constexpr std::array<std::uint64_t, 6> lags_ms = {1, 5, 20, 50, 150, 1000};
    constexpr std::array<std::uint64_t, 8> granules = {512,    512,        4096, 4096,
                                                       65'536, 256 * 1024, 0,    1 << 20};
    made.interval_ns = random.between(100, random.chance(0.2) ? 50'000 : 3'000) * us;
    made.lag_ns_max = lags_ms.at(random.below(lags_ms.size())) * ms;
    made.lag_ns_min = random.chance(0.5) ? made.lag_ns_max / 2 : 0;
    made.delay_ns = random.between(1, random.chance(0.3) ? 3000 : 200) * ms;
    made.granule_bytes = granules.at(random.below(granules.size()));
    made.keeps_order = random.chance(0.25);
    for (double& rate : made.rates) {
        rate = random.chance(0.6) ? static_cast<double>(random.between(1, 30)) / 100 : 0;
    }
    return made;
}

copy_plan faithful(std::uint64_t lag_ns) {
    copy_plan made;
    made.interval_ns = 200 * us;
    made.lag_ns_min = made.lag_ns_max = lag_ns;
    made.granule_bytes = 4096;
    made.keeps_order = true;
    return made;
}

class sites_simulation {
  public:
    explicit sites_simulation(std::uint64_t seed);
    sites_outcome run();

  private:
    struct client {
        std::uint64_t next_ns = 0;
        std::uint64_t restart_ns = 0;
        std::uint64_t heal_ns = io::sim_never_ns;
        std::uint64_t farewell_ns = io::sim_never_ns;  // it leaves, and starts again at once
    };
    struct volume_trouble {
        std::uint64_t heal_ns = io::sim_never_ns;
        bool is_swapped = false;
        std::vector<std::byte> snapshot;
        std::vector<std::byte> before_snapshot;
    };

    std::uint64_t act();
    void act_of(std::uint32_t id);
    void send_something(virtual_node& from);
    void make_trouble();
    void befall_node(site_fault which, std::uint32_t id);
    void befall_volume(site_fault which, std::size_t site);
    void swap_roles(std::size_t site);
    void heal_volume(std::size_t site);
    void set_rates(virtual_node& node);
    void end_faults();
    sites_outcome finish();
    void count(site_fault which, std::uint64_t times = 1) {
        outcome_.faults[static_cast<std::size_t>(which)] += times;
    }

    io::sim_random random_;
    site_plan plan_;
    std::uint64_t fault_ns_;
    std::uint64_t trouble_every_ns_;
    std::vector<site_fault> troubles_;
    double read_error_rate_ = 0;
    double slow_rate_ = 0;
    two_sites world_;
    std::array<client, two_sites::node_count> clients_{};
    std::array<volume_trouble, 2> volumes_;  // receive volumes
    std::uint64_t next_trouble_ns_;
    bool faults_ended_ = false;
    sites_outcome outcome_;

    static site_plan draw_plan(io::sim_random& random);
};

site_plan sites_simulation::draw_plan(io::sim_random& random) {
    site_plan made;
    made.options = draw_options(random);
    made.copies = {draw_copy(random), draw_copy(random)};
    made.send_every_ns = random.between(5, 40) * ms;
    made.slow_ns = random.between(1, 100) * ms;
    made.clocks_differ = random.chance(0.7);
    made.numbers_wrap = random.chance(0.3);
    return made;
}

sites_simulation::sites_simulation(std::uint64_t seed)
    : random_(io::mix(seed ^ 0x517e5)),
      plan_(draw_plan(random_)),
      fault_ns_(random_.between(1500, 3000) * ms),
      trouble_every_ns_(random_.between(50, 500) * ms),
      world_(plan_, random_.next()),
      next_trouble_ns_(world_.now_ns() + second / 2) {
    for (const site_fault each :
         {site_fault::crash, site_fault::farewell, site_fault::freeze, site_fault::hanging_copy,
          site_fault::lost_copy, site_fault::reborn, site_fault::link_cut, site_fault::old_snapshot,
          site_fault::role_swap}) {
        if (random_.chance(0.4)) {
            troubles_.push_back(each);
        }
    }
    read_error_rate_ = random_.chance(0.3) ? 1e-3 : 0;
    slow_rate_ = random_.chance(0.3) ? 5e-3 : 0;
    for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
        clients_.at(id - 1).restart_ns = world_.now_ns() + random_.below(300 * ms);
        set_rates(world_.node(id));
    }
    for (std::size_t site = 0; site < 2; ++site) {
        volumes_.at(site).snapshot = world_.receive_volume(site).volume().snapshot();
    }
    count(site_fault::clock_rate, plan_.clocks_differ ? 1 : 0);
}

void sites_simulation::set_rates(virtual_node& node) {
    node.port(1).set_all_rates(0);
    node.port(1).set_rate(io::sim_fault::read_error, read_error_rate_);
    node.port(1).set_rate(io::sim_fault::slow, slow_rate_);
    node.port(0).set_rate(io::sim_fault::slow, slow_rate_);
}

sites_outcome sites_simulation::run() {
    world_.run_until(world_.now_ns() + fault_ns_, [this] { return act(); });
    end_faults();
    const std::uint64_t healed_ns = world_.now_ns();
    const std::uint64_t timeout_ns = ns(plan_.options.peer_timeout);
    const std::uint64_t beat_ns = ns(plan_.options.beat_interval);
    world_.find_together(2 * second + plan_.slow_ns + 3 * timeout_ns + 10 * beat_ns);
    if (world_.judge().violations().empty()) {
        world_.exchange(second + plan_.slow_ns + 5 * beat_ns);
    }
    outcome_.recovery_ns = world_.now_ns() - healed_ns;
    return finish();
}

// Everything but nodes and copiers; returns when there is more to do.
std::uint64_t sites_simulation::act() {
    std::uint64_t next_ns = io::sim_never_ns;
    for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
        act_of(id);
        const client& its = clients_.at(id - 1);
        next_ns = std::min({next_ns, its.restart_ns, its.heal_ns, its.farewell_ns});
        next_ns = world_.node(id).is_up() ? std::min(next_ns, its.next_ns) : next_ns;
    }
    for (std::size_t site = 0; site < 2; ++site) {
        if (volumes_.at(site).heal_ns <= world_.now_ns()) {
            heal_volume(site);
        }
        next_ns = std::min(next_ns, volumes_.at(site).heal_ns);
    }
    if (world_.now_ns() >= next_trouble_ns_) {
        make_trouble();
    }
    return std::min(next_ns, next_trouble_ns_);
}

void sites_simulation::act_of(std::uint32_t id) {
    virtual_node& node = world_.node(id);
    client& its = clients_.at(id - 1);
    const std::uint64_t now_ns = world_.now_ns();
    if (its.restart_ns <= now_ns) {
        its.restart_ns = node.is_stopping() ? now_ns + ms : io::sim_never_ns;
        if (!node.is_up()) {
            node.start();
            its.next_ns = now_ns;
        }
    }
    if (its.heal_ns <= now_ns) {
        its.heal_ns = io::sim_never_ns;
        node.port(1).set_hanging(false);
        node.port(1).set_open_error(0);
        set_rates(node);
    }
    if (its.farewell_ns <= now_ns) {
        its.farewell_ns = io::sim_never_ns;
        if (node.is_up()) {
            node.stop();
            its.restart_ns = now_ns + random_.between(1, 5) * ms;
        }
    }
    if (node.is_up() && its.next_ns <= now_ns) {
        its.next_ns = now_ns + random_.below(2 * plan_.send_every_ns) + 1;
        send_something(node);
        node.take_messages();
    }
    if (!node.is_up() && its.restart_ns == io::sim_never_ns) {
        its.restart_ns = now_ns + random_.below(random_.chance(0.5) ? 20 * ms : second);
        count(site_fault::restart);
    }
}

void sites_simulation::send_something(virtual_node& from) {
    const auto draw_size = [&]() -> std::size_t {
        const std::uint64_t kind = random_.below(100);
        return kind < 85 ? random_.between(48, 400)
                         : random_.between(400, kind < 98 ? 9000 : 60'000);
    };
    const auto draw_other = [&] {
        const auto drawn = static_cast<std::uint32_t>(random_.between(1, 3));
        return drawn < from.id() ? drawn : drawn + 1;
    };
    for (std::uint64_t burst = random_.chance(0.1) ? random_.below(10) : 1; burst > 0; --burst) {
        const std::uint32_t to = random_.chance(0.2) ? every_node : draw_other();
        from.send_datagram(to, static_cast<packet_type>(random_.below(packet_type_count)),
                           draw_size());
    }
    if (random_.chance(0.3)) {
        from.send_message(draw_other(), random_.between(48, 1000));
    }
}

void sites_simulation::make_trouble() {
    next_trouble_ns_ = world_.now_ns() + 1 + random_.below(2 * trouble_every_ns_);
    if (troubles_.empty()) {
        return;
    }
    const site_fault which = troubles_[random_.below(troubles_.size())];
    if (which >= site_fault::link_cut) {
        befall_volume(which, random_.below(2));
    } else {
        befall_node(which, static_cast<std::uint32_t>(random_.between(1, two_sites::node_count)));
    }
}

void sites_simulation::befall_node(site_fault which, std::uint32_t id) {
    virtual_node& node = world_.node(id);
    client& its = clients_.at(id - 1);
    const std::uint64_t now_ns = world_.now_ns();
    if (!node.is_up()) {
        return;
    }
    count(which);
    switch (which) {
        case site_fault::crash:
            node.crash();
            break;
        case site_fault::farewell:
            node.stop();
            break;
        case site_fault::freeze:
            node.freeze_until(now_ns + random_.below(random_.chance(0.5) ? second : 50 * ms));
            break;
        case site_fault::hanging_copy:
            node.port(1).set_hanging(true);
            its.heal_ns = now_ns + random_.below(second);
            break;
        case site_fault::reborn:
            its.farewell_ns = now_ns;
            clients_.at((id + 1) % two_sites::node_count).farewell_ns =
                now_ns + random_.between(20, 250) * ms;
            [[fallthrough]];
        default:
            node.port(1).set_open_error(ENODEV);
            node.port(1).set_rate(io::sim_fault::read_error, 1);
            its.heal_ns = now_ns + random_.below(second);
            break;
    }
}

void sites_simulation::befall_volume(site_fault which, std::size_t site) {
    volume_trouble& its = volumes_.at(site);
    auto& volume = world_.receive_volume(site).volume();
    auto& copying = world_.copier_from(1 - site);
    if (its.heal_ns != io::sim_never_ns) {
        return;
    }
    count(which);
    switch (which) {
        case site_fault::link_cut:
            copying.set_cut(true);
            its.heal_ns = world_.now_ns() + random_.below(second);
            break;
        case site_fault::old_snapshot:
            its.before_snapshot = volume.snapshot();
            volume.restore(its.snapshot);
            its.heal_ns = world_.now_ns() + random_.below(200 * ms);
            break;
        default:
            swap_roles(site);
            its.is_swapped = true;
            its.heal_ns = world_.now_ns() + random_.below(500 * ms);
            break;
    }
}

// What was sent from here lies where the others were read, and the other way round.
void sites_simulation::swap_roles(std::size_t site) {
    auto& ours = world_.send_volume(site).volume();
    auto& theirs = world_.receive_volume(site).volume();
    const auto kept = ours.snapshot();
    ours.restore(theirs.snapshot());
    theirs.restore(kept);
}

void sites_simulation::heal_volume(std::size_t site) {
    volume_trouble& its = volumes_.at(site);
    auto& volume = world_.receive_volume(site).volume();
    auto& copying = world_.copier_from(1 - site);
    its.heal_ns = io::sim_never_ns;
    if (its.is_swapped) {
        swap_roles(site);
        its.is_swapped = false;
        world_.copier_from(site).resynchronize();
    } else if (!its.before_snapshot.empty()) {
        if (random_.chance(0.5)) {
            volume.restore(its.before_snapshot);
            count(site_fault::later_snapshot);
        }
        its.before_snapshot.clear();
    }
    if (random_.chance(0.5)) {
        copying.resynchronize();
    }
    copying.set_cut(false);
    its.snapshot = volume.snapshot();
}

void sites_simulation::end_faults() {
    const std::uint64_t lag_ns = std::min(ns(plan_.options.ttl) / 8, 20 * ms);
    for (std::size_t site = 0; site < 2; ++site) {
        heal_volume(site);
    }
    for (std::size_t site = 0; site < 2; ++site) {
        world_.copier_from(site).forget_taken();
        world_.copier_from(site).change(faithful(lag_ns));
        world_.copier_from(site).resynchronize();
    }
    for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
        virtual_node& node = world_.node(id);
        count(site_fault::read_error, node.port(1).count(io::sim_fault::read_error));
        count(site_fault::slow_read, node.port(1).count(io::sim_fault::slow));
        count(site_fault::slow_write, node.port(0).count(io::sim_fault::slow));
        for (const std::size_t area : {0U, 1U}) {
            node.port(area).set_all_rates(0);
            node.port(area).set_open_error(0);
            node.port(area).set_hanging(false);
        }
        node.freeze_until(0);
        if (node.is_stopping()) {
            node.crash();
        }
        if (!node.is_up()) {
            node.start();
        }
    }
}

sites_outcome sites_simulation::finish() {
    oracle& judge = world_.judge();
    outcome_.settings = fmt::format(
        "TTL {} ms, beat {} ms, deadline {} ms, lag {}..{} and {}..{} ms, granules {} and {}",
        ns(plan_.options.ttl) / ms, ns(plan_.options.beat_interval) / ms,
        ns(plan_.options.read_deadline) / ms, plan_.copies[0].lag_ns_min / ms,
        plan_.copies[0].lag_ns_max / ms, plan_.copies[1].lag_ns_min / ms,
        plan_.copies[1].lag_ns_max / ms, plan_.copies[0].granule_bytes,
        plan_.copies[1].granule_bytes);
    for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
        virtual_node& node = world_.node(id);
        outcome_.dropped_expired += node.count(counter::dropped_expired_receive);
        outcome_.rejected_stale += node.count(counter::rejected_stale);
        outcome_.rejected_torn += node.count(counter::rejected_torn);
        outcome_.rejected_empty += node.count(counter::rejected_empty_block);
        for (const auto& peer : node.peers()) {
            outcome_.deadline_breaches += peer.deadline_breaches;
        }
        for (std::uint32_t from = 1; from <= two_sites::node_count; ++from) {
            (two_sites::site_of(id) == two_sites::site_of(from) ? outcome_.datagrams_within
                                                                : outcome_.datagrams_across) +=
                judge.datagrams_from_to(from, id);
        }
    }
    for (std::size_t site = 0; site < 2; ++site) {
        for (std::size_t which = 0; which < copy_fault_count; ++which) {
            outcome_.copy_faults[which] += world_.copier_from(site).counts()[which];
        }
    }
    world_.check_rules();
    outcome_.violations = judge.violations();
    outcome_.trace_hash = judge.trace_hash();
    outcome_.letters_sent = judge.datagrams_sent();
    outcome_.messages_delivered = judge.messages_delivered();
    outcome_.oldest_across_ns = judge.oldest_limited_ns();
    return outcome_;
}

}  // namespace

const char* site_fault_name(site_fault which) noexcept {
    constexpr std::array<const char*, site_fault_count> names = {
        "crash",      "farewell",  "restart",      "freeze",    "clock_rate",
        "read_error", "slow_read", "hanging_copy", "lost_copy", "reborn",
        "slow_write", "link_cut",  "old_snapshot", "role_swap", "later_snapshot"};
    const auto index = static_cast<std::size_t>(which);
    return index < names.size() ? names[index] : "unknown";
}

void sites_outcome::add(const sites_outcome& other) {
    violations.insert(violations.end(), other.violations.begin(), other.violations.end());
    for (std::size_t which = 0; which < site_fault_count; ++which) {
        faults[which] += other.faults[which];
    }
    for (std::size_t which = 0; which < copy_fault_count; ++which) {
        copy_faults[which] += other.copy_faults[which];
    }
    letters_sent += other.letters_sent;
    datagrams_across += other.datagrams_across;
    datagrams_within += other.datagrams_within;
    messages_delivered += other.messages_delivered;
    dropped_expired += other.dropped_expired;
    rejected_stale += other.rejected_stale;
    rejected_torn += other.rejected_torn;
    rejected_empty += other.rejected_empty;
    deadline_breaches += other.deadline_breaches;
    oldest_across_ns = std::max(oldest_across_ns, other.oldest_across_ns);
    recovery_ns = std::max(recovery_ns, other.recovery_ns);
}

site_plan calm_sites(std::uint64_t lag_ns) {
    site_plan made;
    made.options.ttl = nanoseconds(500 * ms);
    made.options.beat_interval = nanoseconds(50 * ms);
    made.options.peer_timeout = nanoseconds(400 * ms);
    made.options.queue_bytes = 300 * 1024;
    made.options.message_window_bytes = 96 * 1024;
    made.copies = {faithful(lag_ns), faithful(lag_ns)};
    made.send_every_ns = 10 * ms;
    made.slow_ns = ms;
    return made;
}

sites_outcome simulate_sites(std::uint64_t seed) { return sites_simulation(seed).run(); }

sites_outcome simulate_healthy_sites(std::uint64_t seed) {
    io::sim_random random(io::mix(seed ^ 0x4ea17));
    site_plan plan;
    plan.options = draw_options(random);
    const std::uint64_t lag_ns = random.between(0, 40) * ms;
    plan.copies = {faithful(lag_ns), faithful(lag_ns)};
    plan.clocks_differ = random.chance(0.5);
    // A block proves its age by the beat it echoes: one there, one back, and the wait for both.
    const std::uint64_t proof_ns = 2 * lag_ns + 3 * ns(plan.options.beat_interval) / 2 +
                                   4 * ns(plan.options.poll_idle) + 20 * ms;
    plan.options.ttl = std::max(plan.options.ttl, nanoseconds(proof_ns));
    two_sites world(plan, seed);
    world.start_all();
    world.find_together(3 * second);
    world.run_until(world.now_ns() + second);
    const std::uint64_t before = world.judge().datagrams_delivered();
    std::uint64_t expected = 0;
    for (int letter = 0; letter < 300; ++letter) {
        const auto from = static_cast<std::uint32_t>(random.between(1, 4));
        const auto to = static_cast<std::uint32_t>(random.below(5));
        if (from != to) {
            world.node(from).send_datagram(to, packet_type::cluster, random.between(48, 5000));
            expected += to == every_node ? 3 : 1;
        }
        world.run_until(world.now_ns() + 1 + random.below(20 * ms));
    }
    world.run_until(world.now_ns() + second);
    sites_outcome outcome;
    const std::uint64_t arrived = world.judge().datagrams_delivered() - before;
    if (arrived != expected) {
        world.judge().violated(
            fmt::format("{} of {} datagrams arrived, lag {} ms", arrived, expected, lag_ns / ms));
        for (std::uint32_t id = 1; id <= two_sites::node_count; ++id) {
            world.judge().violated(world.node(id).describe());
        }
    }
    world.check_rules();
    outcome.violations = world.judge().violations();
    outcome.trace_hash = world.judge().trace_hash();
    outcome.letters_sent = world.judge().datagrams_sent();
    return outcome;
}

}  // namespace diskhb::sim
