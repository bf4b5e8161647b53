// SPDX-License-Identifier: BSD-3-Clause
// What a seed does to a channel.
#include "channel_simulation.hpp"

#include <fmt/format.h>

#include "channel_world.hpp"

namespace diskhb::sim {
namespace {

using channels::path;

constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;
constexpr std::uint64_t second = 1000 * ms;

end_settings draw_end(io::sim_random& random, std::uint64_t heartbeat_ns) {
    end_settings made;
    made.heartbeat_ns = random.chance(0.7) ? heartbeat_ns : heartbeat_ns * random.between(1, 3);
    made.window_bytes = random.chance(0.5) ? 2 << 20 : 5 << 20;
    made.clock_rate = 0.99 + 0.02 * static_cast<double>(random.below(1001)) / 1000;
    made.take_ns = random.chance(0.7) ? 0 : random.between(100, 20'000) * us;
    made.send_ns = random.between(300, 10'000) * us;
    made.message_bytes_most = random.chance(0.2) ? max_message_bytes : 40'000;
    made.fills_window = random.chance(0.25);
    return made;
}

void draw_roads(channel_world& world) {
    auto& random = world.random;
    for (auto& way : world.roads) {
        way.latency_ns = random.between(20, 3000) * us;
        way.jitter_ns = random.below(5000) * us;
        // Some are so slow that one message takes many heartbeats.
        way.bytes_per_ms =
            random.chance(0.1) ? random.between(200, 20'000) : random.between(20'000, 500'000);
        way.flip_chance = random.chance(0.3) ? 0.0005 : 0;
    }
    world.socket_bytes = random.between(4, 512) * 1024;
}

void cut_for(channel_world& world, path which, std::uint64_t length_ns, bool first,
             bool second_way) {
    for (const int direction : {0, 1}) {
        if (direction == 0 ? first : second_way) {
            world.cut(which, direction, true);
            world.time.after(length_ns,
                             [&world, which, direction] { world.cut(which, direction, false); });
        }
    }
}

// A connection of a life that has ended, which had waited in a backlog.
void send_ghost(channel_world& world) {
    const auto& former = world.ends[1]->former();
    if (former.empty()) {
        return;
    }
    const auto& said = former[world.random.below(former.size())];
    auto link = std::make_shared<sim_connection>();
    link->which = said.which;
    link->is_open[1] = false;
    world.connections[link.get()] = link;
    world.ends[0]->accept(link);
    world.write(link, 1, channels::encode_hello(said));
    world.count(channel_fault::ghost);
}

void befall(channel_world& world, bool may_restart) {
    auto& random = world.random;
    const auto length =
        random.chance(0.5) ? random.between(1, 300) * ms : random.between(1, 3000) * ms;
    auto& end = *world.ends.at(random.below(2));
    const auto some_path = random.chance(0.6) ? path::network : path::volume;
    switch (random.below(may_restart ? 10 : 8)) {
        case 0:
        case 1:
        case 2:
            cut_for(world, path::network, length, true, true);
            return world.count(channel_fault::network_cut);
        case 3:
        case 4: {
            const bool first = random.chance(0.5);
            cut_for(world, some_path, length, first, !first);
            return world.count(channel_fault::one_way_cut);
        }
        case 5:
            cut_for(world, path::volume, length, true, true);
            return world.count(channel_fault::volume_cut);
        case 6:
            end.reset(some_path);
            return world.count(channel_fault::reset);
        case 7:
            end.freeze(length);
            return world.count(channel_fault::freeze);
        case 8:
            end.restart();
            return world.count(channel_fault::restart);
        default:
            return send_ghost(world);
    }
}

void heal(channel_world& world) {
    for (const path which : {path::network, path::volume}) {
        world.roads.at(channels::index_of(which)).flip_chance = 0;
        world.cut(which, 0, false);
        world.cut(which, 1, false);
    }
}

}  // namespace

channel_outcome simulate_channel(std::uint64_t seed) {
    channel_world world(seed);
    auto& random = world.random;
    const auto heartbeat = random.between(20, 200) * ms;
    draw_roads(world);
    const bool may_restart = random.chance(0.5);
    for (int i = 0; i < 2; ++i) {
        const auto settings = draw_end(random, heartbeat);
        if (settings.take_ns != 0) {
            world.count(channel_fault::slow_consumer);
        }
        world.ends.at(static_cast<std::size_t>(i)) =
            std::make_unique<channel_end>(world, i, settings);
    }
    world.result.settings =
        fmt::format("heartbeat {} ms, sockets {} B", heartbeat / ms, world.socket_bytes);
    world.ends[0]->start();
    world.ends[1]->start();
    const auto end_of_faults = world.time.now_ns() + random.between(3, 12) * second;
    while (world.time.now_ns() < end_of_faults) {
        world.time.run_until(world.time.now_ns() + random.between(1, 1500) * ms);
        befall(world, may_restart);
    }
    // What was begun ends first: cuts of up to 3 s.
    world.time.run_until(world.time.now_ns() + 4 * second);
    heal(world);
    world.ends[0]->stop_sending();
    world.ends[1]->stop_sending();
    // A slow application takes a window of messages of some bytes, 20 ms each.
    for (int i = 0; i < 200 && (world.ends[0]->session().waiting() > 0 ||
                                world.ends[1]->session().waiting() > 0);
         ++i) {
        world.time.run_until(world.time.now_ns() + 10 * second);
    }
    world.time.run_until(world.time.now_ns() + 20 * second);
    world.ends[0]->check_settled();
    world.ends[1]->check_settled();
    return world.result;
}

channel_outcome simulate_channel_cuts(std::uint64_t seed) {
    channel_world world(seed);
    auto& random = world.random;
    const auto heartbeat = random.between(50, 200) * ms;
    for (auto& way : world.roads) {
        way.latency_ns = random.between(20, 2000) * us;
        way.jitter_ns = random.below(2000) * us;
        way.bytes_per_ms = random.between(100'000, 500'000);
    }
    for (int i = 0; i < 2; ++i) {
        end_settings settings;
        settings.heartbeat_ns = heartbeat;
        settings.window_bytes = 4 << 20;
        settings.send_ns = random.between(200, 2000) * us;
        settings.message_bytes_most = 20'000;
        settings.clock_rate =
            i == 0 ? 1 : 0.99 + 0.02 * static_cast<double>(random.below(101)) / 100;
        world.ends.at(static_cast<std::size_t>(i)) =
            std::make_unique<channel_end>(world, i, settings);
        world.ends.at(static_cast<std::size_t>(i))->start();
    }
    world.time.run_until(world.time.now_ns() + 2 * second);
    for (int i = 0; i < 10; ++i) {
        world.time.run_until(world.time.now_ns() + 8 * heartbeat + random.below(second));
        for (auto& each : world.ends) {
            each->longest_pause_ns = 0;
            if (each->active() != path::network) {
                world.violate("an end is not on the network before a cut");
            }
        }
        const auto kind = random.below(4);
        cut_for(world, path::network, random.between(1, 3000) * ms, kind != 0, kind != 1);
        world.count(kind < 2 ? channel_fault::one_way_cut : channel_fault::network_cut);
        world.time.run_until(world.time.now_ns() + 3 * second + 8 * heartbeat);
        for (auto& each : world.ends) {
            const auto beats =
                static_cast<double>(each->longest_pause_ns) / static_cast<double>(heartbeat);
            world.result.held_up_beats = std::max(world.result.held_up_beats, beats);
            if (beats > 3) {
                world.violate(fmt::format("a cut held messages up for {:.2f} heartbeats", beats));
            }
        }
    }
    world.ends[0]->stop_sending();
    world.ends[1]->stop_sending();
    world.time.run_until(world.time.now_ns() + 5 * second);
    world.ends[0]->check_settled();
    world.ends[1]->check_settled();
    return world.result;
}

}  // namespace diskhb::sim
