// SPDX-License-Identifier: BSD-3-Clause
#include "simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "io/sim_random.hpp"
#include "virtual_node.hpp"

namespace diskhb::sim {
namespace {

using std::chrono::nanoseconds;
constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;
constexpr std::uint64_t second = 1000 * ms;

// What a seed decides before anything runs.
struct plan {
    std::uint64_t nodes = 0;
    std::uint64_t fault_ns = 0;  // how long the first phase lasts
    std::uint64_t ttl_ns = 0;
    std::uint64_t timeout_ns = 0;
    std::uint64_t beat_ns = 0;
    std::uint64_t slow_ns = 0;
    std::uint64_t send_every_ns = 0;
    std::uint64_t trouble_every_ns = 0;
    std::array<double, io::sim_fault_count> io_rates{};
    std::vector<fault> troubles;  // that befall whole nodes or the volume
    bool clocks_differ = false;
    bool numbers_wrap = false;
    node_options options;
};

void draw_settings(plan& made, io::sim_random& random) {
    made.nodes = random.chance(0.7) ? random.between(2, 4) : random.between(5, 8);
    made.fault_ns = random.between(2, 5) * second;
    made.ttl_ns = random.between(50, 300) * ms;
    made.beat_ns = random.between(20, 100) * ms;
    made.timeout_ns = std::max(made.beat_ns * random.between(4, 8), 200 * ms);
    made.send_every_ns = random.between(2, 30) * ms;
    made.options.ttl = nanoseconds(made.ttl_ns);
    made.options.beat_interval = nanoseconds(made.beat_ns);
    made.options.peer_timeout = nanoseconds(made.timeout_ns);
    made.options.poll_idle = nanoseconds(std::min(random.between(2, 20) * ms, made.timeout_ns / 8));
    made.options.poll_hot = nanoseconds(random.between(100, 500) * us);
    made.options.hot_time = nanoseconds(random.between(1, 3) * ms);
    made.options.flush_when_idle = random.chance(0.8);
    made.options.fill_bytes = random.between(1000, 60'000);
    made.options.flush_deadline = nanoseconds(random.between(1, 10) * ms);
    made.options.queue_bytes = 300 * 1024;
    made.options.batch_bytes = random.chance(0.5) ? 1 << 20 : 90 * 1024;
    made.options.message_window_bytes = 96 * 1024;
}

void draw_faults(plan& made, io::sim_random& random) {
    made.slow_ns = random.between(1, random.chance(0.2) ? 3000 : 100) * ms;
    // Between one in 10,000 and one in 50 I/Os, each magnitude as often.
    constexpr std::array<double, 8> rates = {1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2};
    for (double& rate : made.io_rates) {
        rate = random.chance(0.4) ? rates.at(random.below(rates.size())) : 0;
    }
    for (const fault each : {fault::crash, fault::farewell, fault::freeze, fault::rollback,
                             fault::port_hang, fault::volume_loss}) {
        if (random.chance(0.4)) {
            made.troubles.push_back(each);
        }
    }
    made.trouble_every_ns = random.between(50, 1000) * ms;
    made.clocks_differ = random.chance(0.7);
    made.numbers_wrap = random.chance(0.3);
}

plan draw_plan(io::sim_random& random, bool is_healthy) {
    plan made;
    draw_settings(made, random);
    draw_faults(made, random);
    if (is_healthy) {
        made.io_rates = {};
        made.troubles.clear();
        // Until blocks have come in quick succession, the doubt about a delay is a beat and a poll.
        const auto poll_ns = static_cast<std::uint64_t>(made.options.poll_idle.count());
        made.ttl_ns = std::max(made.ttl_ns, made.beat_ns * 11 / 10 + 3 * poll_ns + 20 * ms);
        made.options.ttl = nanoseconds(made.ttl_ns);
    }
    return made;
}

// Up to how old a datagram may be delivered. Of the clocks' rates the bound forgives 2 %, and takes
// a delay that lasts for a normal one by as much each second: a device that is slow all the time
// adds what it is slower than at its best (ring/age_bound.hpp). One that gives back old blocks, two
// writes old here, hides by them for how long a new one has been there.
std::uint64_t age_ns_most(const plan& of) {
    const double stale_rate = of.io_rates.at(static_cast<std::size_t>(io::sim_fault::stale));
    return of.ttl_ns + of.ttl_ns / 25 + 10 * ms + of.slow_ns +
           (stale_rate > 0 ? 2 * (of.beat_ns + of.slow_ns) : 0);
}

std::string describe(const plan& of) {
    return fmt::format(
        "{} nodes, TTL {} ms, beat {} ms, timeout {} ms, poll {} us, slow {} ms, "
        "gathers {} us, sends each {} ms",
        of.nodes, of.ttl_ns / ms, of.beat_ns / ms, of.timeout_ns / ms,
        of.options.poll_idle.count() / 1000, of.slow_ns / ms,
        of.options.flush_when_idle ? 0 : of.options.flush_deadline.count() / 1000,
        of.send_every_ns / ms);
}

class simulation {
  public:
    simulation(std::uint64_t seed, bool is_healthy);
    outcome run();
    outcome run_healthy();

  private:
    struct client {
        std::uint64_t next_ns = 0;
        std::uint64_t takes_after_ns = 0;  // it does not take its messages before
    };

    void set_rates(io::sim_port& port) const;
    node_plan plan_of(std::uint32_t id);
    // Lets everything happen that is due, and goes on to the next event before end_ns.
    void advance(std::uint64_t end_ns);
    void step_all();
    void act(std::size_t index);
    void send_something(virtual_node& from);
    std::size_t draw_size();
    void make_trouble();
    void befall(fault which, virtual_node& whom);
    void end_faults();
    bool all_whole() const;
    void find_together();
    void exchange();
    bool exchange_round(std::vector<std::uint64_t>& datagrams,
                        std::vector<std::uint64_t>& messages);
    void check_rules();
    outcome finish(std::uint64_t begin_ns);
    void count(fault which, std::uint64_t times = 1) {
        outcome_.faults[static_cast<std::size_t>(which)] += times;
    }

    io::sim_random random_;
    plan plan_;
    test::sim_ring ring_;
    oracle judge_;
    std::vector<std::unique_ptr<virtual_node>> nodes_;
    std::vector<client> clients_;
    std::vector<std::uint64_t> restarts_ns_;  // by node; when a node that is down starts again
    std::vector<std::uint64_t> heals_ns_;     // when a port that hangs or is gone comes back
    std::uint64_t next_trouble_ns_ = 0;
    std::uint64_t next_release_ns_ = 0;
    std::vector<std::byte> snapshot_;
    bool is_healthy_ = false;
    bool faults_ended_ = false;
    outcome outcome_;
};

simulation::simulation(std::uint64_t seed, bool is_healthy)
    : random_(io::mix(seed)),
      plan_(draw_plan(random_, is_healthy)),
      ring_(test::small_superblock(
          "sim", 256 * 1024,
          static_cast<std::uint16_t>(std::max<std::uint64_t>(plan_.nodes, random_.between(2, 8))))),
      judge_(age_ns_most(plan_)),
      clients_(plan_.nodes),
      restarts_ns_(plan_.nodes, io::sim_never_ns),
      heals_ns_(plan_.nodes, io::sim_never_ns),
      is_healthy_(is_healthy) {
    for (std::uint32_t id = 1; id <= plan_.nodes; ++id) {
        nodes_.push_back(std::make_unique<virtual_node>(plan_of(id), ring_, judge_));
        restarts_ns_[id - 1] = ring_.now_ns() + random_.below(500 * ms);
    }
    for (auto& each : nodes_) {
        set_rates(each->port());
        each->port().set_latency({20 * us, 150 * us, 30 * us, 300 * us, plan_.slow_ns});
    }
    count(fault::clock_rate, plan_.clocks_differ ? 1 : 0);
    count(fault::number_wrap, plan_.numbers_wrap ? 1 : 0);
    outcome_.nodes = plan_.nodes;
    snapshot_ = ring_.volume().snapshot();
}

void simulation::set_rates(io::sim_port& port) const {
    for (std::size_t which = 0; which < io::sim_fault_count; ++which) {
        port.set_rate(static_cast<io::sim_fault>(which), plan_.io_rates[which]);
    }
}

node_plan simulation::plan_of(std::uint32_t id) {
    node_plan made;
    made.options = plan_.options;
    made.options.node_id = id;
    for (std::uint32_t peer = 1; peer <= plan_.nodes; ++peer) {
        if (peer != id) {
            made.options.peers.push_back(peer);
        }
    }
    if (plan_.numbers_wrap) {
        const std::uint64_t laps = random_.between(1, 3);
        made.start = {0 - laps * ring_.content().measures.ring_bytes, 0 - random_.below(500)};
    }
    made.clock_offset_ns = random_.below(1'000'000) * second;
    if (plan_.clocks_differ) {
        made.clock_rate_ppm = static_cast<std::int64_t>(random_.below(20'001)) - 10'000;
    }
    made.seed = random_.next();
    return made;
}

outcome simulation::run() {
    const std::uint64_t begin_ns = ring_.now_ns();
    next_trouble_ns_ = begin_ns + second;
    for (const std::uint64_t end_ns = begin_ns + plan_.fault_ns; ring_.now_ns() < end_ns;) {
        advance(end_ns);
    }
    end_faults();
    const std::uint64_t healed_ns = ring_.now_ns();
    find_together();
    if (judge_.violations().empty()) {
        exchange();
    }
    outcome_.recovery_ns = ring_.now_ns() - healed_ns;
    return finish(begin_ns);
}

outcome simulation::run_healthy() {
    const std::uint64_t begin_ns = ring_.now_ns();
    faults_ended_ = true;
    find_together();
    const std::uint64_t quiet_ns = 5 * plan_.beat_ns + second;
    std::uint64_t expected = 0;
    for (const std::uint64_t end_ns = ring_.now_ns() + quiet_ns; ring_.now_ns() < end_ns;) {
        advance(end_ns);
    }
    const std::uint64_t before = judge_.datagrams_delivered();
    for (int letter = 0; letter < 500; ++letter) {
        virtual_node& from = *nodes_[random_.below(nodes_.size())];
        const auto to = static_cast<std::uint32_t>(random_.below(nodes_.size() + 1));
        if (to == from.id()) {
            continue;
        }
        const std::size_t size = random_.between(48, random_.chance(0.1) ? 9000 : 300);
        if (!from.send_datagram(to, packet_type::cluster, size)) {
            judge_.violated(fmt::format("node {} refused a datagram", from.id()));
        }
        expected += to == every_node ? nodes_.size() - 1 : 1;
        const std::uint64_t pause_ns = random_.below(2 * plan_.send_every_ns);
        for (const std::uint64_t end_ns = ring_.now_ns() + pause_ns; ring_.now_ns() < end_ns;) {
            advance(end_ns);
        }
    }
    for (const std::uint64_t end_ns = ring_.now_ns() + second; ring_.now_ns() < end_ns;) {
        advance(end_ns);
    }
    const std::uint64_t arrived = judge_.datagrams_delivered() - before;
    if (arrived != expected) {
        judge_.violated(fmt::format("{} of {} datagrams arrived", arrived, expected));
    }
    return finish(begin_ns);
}

outcome simulation::finish(std::uint64_t begin_ns) {
    if (!judge_.violations().empty()) {
        judge_.violated(describe(plan_));
        for (const auto& each : nodes_) {
            judge_.violated(each->describe());
        }
    }
    check_rules();
    outcome_.settings = describe(plan_);
    outcome_.violations = judge_.violations();
    outcome_.trace_hash = judge_.trace_hash();
    outcome_.letters_sent = judge_.datagrams_sent();
    outcome_.datagrams_delivered = judge_.datagrams_delivered();
    outcome_.messages_delivered = judge_.messages_delivered();
    outcome_.oldest_over_ttl_ns = judge_.oldest_ns() - std::min(judge_.oldest_ns(), plan_.ttl_ns);
    outcome_.virtual_ns = ring_.now_ns() - begin_ns;
    return outcome_;
}

void simulation::advance(std::uint64_t end_ns) {
    for (std::size_t index = 0; index < nodes_.size(); ++index) {
        act(index);
    }
    if (!faults_ended_ && ring_.now_ns() >= next_trouble_ns_) {
        make_trouble();
    }
    step_all();
    std::uint64_t next_ns = std::min(end_ns, ring_.volume().next_event_ns());
    for (const auto& each : nodes_) {
        next_ns = std::min(next_ns, each->next_ns());
    }
    for (std::size_t index = 0; index < nodes_.size(); ++index) {
        next_ns = std::min({next_ns, restarts_ns_[index], heals_ns_[index]});
        next_ns = nodes_[index]->is_up() ? std::min(next_ns, clients_[index].next_ns) : next_ns;
    }
    if (!faults_ended_) {
        next_ns = std::min(next_ns, next_trouble_ns_);
    }
    ring_.clock().advance_to(next_ns);
}

void simulation::step_all() {
    ring_.volume().settle();
    const std::size_t first = random_.below(nodes_.size());
    for (std::size_t turn = 0; turn < nodes_.size(); ++turn) {
        nodes_[(first + turn) % nodes_.size()]->step();
    }
}

// What happens to one node by itself: it starts again, its path heals, its clients act.
void simulation::act(std::size_t index) {
    virtual_node& node = *nodes_[index];
    const std::uint64_t now_ns = ring_.now_ns();
    if (restarts_ns_[index] <= now_ns) {
        restarts_ns_[index] = io::sim_never_ns;
        if (!node.is_up()) {
            node.start();
            clients_[index].next_ns = now_ns;
        }
    }
    if (heals_ns_[index] <= now_ns) {
        heals_ns_[index] = io::sim_never_ns;
        node.port().set_hanging(false);
        node.port().set_open_error(0);
        set_rates(node.port());
    }
    if (node.is_up() && clients_[index].next_ns <= now_ns) {
        clients_[index].next_ns = now_ns + random_.below(2 * plan_.send_every_ns) + 1;
        if (!is_healthy_) {
            send_something(node);
        }
        if (clients_[index].takes_after_ns <= now_ns) {
            node.take_messages();
            clients_[index].takes_after_ns =
                !faults_ended_ && random_.chance(0.01) ? now_ns + random_.below(second) : 0;
        }
    }
    if (!node.is_up() && restarts_ns_[index] == io::sim_never_ns) {
        restarts_ns_[index] = now_ns + random_.below(faults_ended_ ? 1 : second);
        count(fault::restart);
    }
}

std::size_t simulation::draw_size() {
    const std::uint64_t kind = random_.below(100);
    if (kind < 80) {
        return random_.between(48, 400);
    }
    return kind < 98 ? random_.between(400, 9000) : random_.between(9000, max_datagram_bytes);
}

void simulation::send_something(virtual_node& from) {
    const auto draw_other = [&] {
        const auto drawn = static_cast<std::uint32_t>(random_.between(1, plan_.nodes - 1));
        return drawn < from.id() ? drawn : drawn + 1;
    };
    for (std::uint64_t burst = random_.chance(0.1) ? random_.below(20) : 1; burst > 0; --burst) {
        const std::uint32_t to = random_.chance(0.2) ? every_node : draw_other();
        from.send_datagram(to, static_cast<packet_type>(random_.below(packet_type_count)),
                           draw_size());
    }
    if (random_.chance(0.5)) {
        from.send_message(draw_other(), random_.chance(0.05) ? random_.between(48, 80'000)
                                                             : random_.between(48, 1000));
    }
}

void simulation::make_trouble() {
    const std::uint64_t now_ns = ring_.now_ns();
    next_trouble_ns_ = now_ns + 1 + random_.below(2 * plan_.trouble_every_ns);
    for (auto& each : nodes_) {  // single I/Os that hang
        if (random_.chance(0.5)) {
            each->port().release_hanging(10 * ms);
        }
    }
    if (plan_.troubles.empty()) {
        return;
    }
    virtual_node& whom = *nodes_[random_.below(nodes_.size())];
    if (whom.is_up()) {
        befall(plan_.troubles[random_.below(plan_.troubles.size())], whom);
    }
}

void simulation::befall(fault which, virtual_node& whom) {
    const std::uint64_t now_ns = ring_.now_ns();
    const std::size_t index = whom.id() - 1;
    count(which);
    switch (which) {
        case fault::crash:
            count(fault::crash_mid_write, whom.crash() ? 1 : 0);
            break;
        case fault::farewell:
            whom.stop();
            break;
        case fault::freeze:
            whom.freeze_until(now_ns + random_.below(random_.chance(0.5) ? 3 * second : 100 * ms));
            break;
        case fault::rollback:
            ring_.volume().restore(snapshot_);
            snapshot_ = ring_.volume().snapshot();
            break;
        case fault::port_hang:
            whom.port().set_hanging(true);
            heals_ns_[index] = now_ns + random_.below(2 * second);
            break;
        case fault::volume_loss:
            whom.port().set_open_error(ENODEV);
            whom.port().set_rate(io::sim_fault::read_error, 1);
            whom.port().set_rate(io::sim_fault::write_error, 1);
            heals_ns_[index] = now_ns + random_.below(2 * second);
            break;
        default:
            break;
    }
    if (random_.chance(0.3)) {
        ring_.volume().settle();
        snapshot_ = ring_.volume().snapshot();
    }
}

void simulation::end_faults() {
    faults_ended_ = true;
    constexpr std::array<fault, io::sim_fault_count> names = {fault::read_error,
                                                              fault::write_error,
                                                              fault::slow,
                                                              fault::hang,
                                                              fault::lost_write,
                                                              fault::torn_write,
                                                              fault::misdirected_write,
                                                              fault::stale_read,
                                                              fault::bit_flip};
    for (std::size_t index = 0; index < nodes_.size(); ++index) {
        virtual_node& node = *nodes_[index];
        for (std::size_t which = 0; which < names.size(); ++which) {
            count(names.at(which), node.port().count(static_cast<io::sim_fault>(which)));
        }
        node.port().set_all_rates(0);
        node.port().set_open_error(0);
        node.port().set_hanging(false);
        node.freeze_until(0);
        heals_ns_[index] = io::sim_never_ns;
        restarts_ns_[index] = node.is_up() ? io::sim_never_ns : ring_.now_ns();
        clients_[index].takes_after_ns = 0;
    }
}

bool simulation::all_whole() const {
    return std::all_of(nodes_.begin(), nodes_.end(),
                       [](const auto& each) { return each->is_whole(); });
}

// An I/O that was slow from the start, opening again, watching the slot (twice, if a write that
// went astray looked like a thief), a few beats until all are seen and acknowledged.
void simulation::find_together() {
    const std::uint64_t most_ns =
        second + plan_.slow_ns + 3 * plan_.timeout_ns + 3 * plan_.ttl_ns + 10 * plan_.beat_ns;
    for (const std::uint64_t end_ns = ring_.now_ns() + most_ns; !all_whole();) {
        if (ring_.now_ns() >= end_ns) {
            judge_.violated(fmt::format("not together {} ms after the faults", most_ns / ms));
            return;
        }
        advance(std::min(end_ns, ring_.now_ns() + 10 * ms));
    }
}

bool simulation::exchange_round(std::vector<std::uint64_t>& datagrams,
                                std::vector<std::uint64_t>& messages) {
    bool done = true;
    for (const auto& from : nodes_) {
        for (const auto& to : nodes_) {
            if (from == to) {
                continue;
            }
            const std::size_t pair = (from->id() - 1) * nodes_.size() + to->id() - 1;
            const bool has_datagram =
                judge_.datagrams_from_to(from->id(), to->id()) > datagrams[pair];
            const bool has_message = judge_.messages_from_to(from->id(), to->id()) > messages[pair];
            if (!has_datagram) {
                from->send_datagram(to->id(), packet_type::cluster, 100);
            }
            if (!has_message) {
                from->send_message(to->id(), 100);
            }
            done = done && has_datagram && has_message;
        }
    }
    return done;
}

void simulation::exchange() {
    std::vector<std::uint64_t> datagrams;
    std::vector<std::uint64_t> messages;
    for (const auto& from : nodes_) {
        for (const auto& to : nodes_) {
            datagrams.push_back(judge_.datagrams_from_to(from->id(), to->id()));
            messages.push_back(judge_.messages_from_to(from->id(), to->id()));
        }
    }
    const std::uint64_t end_ns = ring_.now_ns() + second + plan_.slow_ns + 5 * plan_.beat_ns;
    while (!exchange_round(datagrams, messages)) {
        if (ring_.now_ns() >= end_ns) {
            for (std::size_t pair = 0; pair < datagrams.size(); ++pair) {
                const auto from = static_cast<std::uint32_t>(pair / nodes_.size() + 1);
                const auto to = static_cast<std::uint32_t>(pair % nodes_.size() + 1);
                const bool has_datagram = judge_.datagrams_from_to(from, to) > datagrams[pair];
                const bool has_message = judge_.messages_from_to(from, to) > messages[pair];
                if (from != to && (!has_datagram || !has_message)) {
                    judge_.violated(fmt::format("no {} from node {} to node {} after the faults",
                                                has_datagram ? "message" : "datagram", from, to));
                }
            }
            return;
        }
        for (const std::uint64_t round_ns = ring_.now_ns() + 20 * ms; ring_.now_ns() < round_ns;) {
            advance(round_ns);
        }
    }
}

void simulation::check_rules() {
    for (auto& each : nodes_) {
        if (each->port().misuses() != 0) {
            judge_.violated(fmt::format("node {} broke the channel's contract", each->id()));
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

}  // namespace

const char* fault_name(fault which) noexcept {
    constexpr std::array<const char*, fault_count> names = {
        "read_error",      "write_error",       "slow",        "hang",       "lost_write",
        "torn_write",      "misdirected_write", "stale_read",  "bit_flip",   "crash",
        "crash_mid_write", "restart",           "farewell",    "freeze",     "clock_rate",
        "rollback",        "port_hang",         "volume_loss", "number_wrap"};
    const auto index = static_cast<std::size_t>(which);
    return index < names.size() ? names[index] : "unknown";
}

void outcome::add(const outcome& other) {
    violations.insert(violations.end(), other.violations.begin(), other.violations.end());
    for (std::size_t which = 0; which < fault_count; ++which) {
        faults[which] += other.faults[which];
    }
    nodes += other.nodes;
    letters_sent += other.letters_sent;
    datagrams_delivered += other.datagrams_delivered;
    messages_delivered += other.messages_delivered;
    oldest_over_ttl_ns = std::max(oldest_over_ttl_ns, other.oldest_over_ttl_ns);
    virtual_ns += other.virtual_ns;
    recovery_ns = std::max(recovery_ns, other.recovery_ns);
}

outcome simulate(std::uint64_t seed) { return simulation(seed, false).run(); }

outcome simulate_health(std::uint64_t seed) { return simulation(seed, true).run_healthy(); }

}  // namespace diskhb::sim
