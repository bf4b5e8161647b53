// SPDX-License-Identifier: BSD-3-Clause
#include "channel_world.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::sim {

using namespace diskhb::channels;

namespace {

constexpr std::uint64_t ms = 1'000'000;
// After a cut TCP tries again at times of its own.
constexpr std::uint64_t retransmission_ns_max = 400 * ms;
constexpr std::size_t name_of_fault_count = channel_fault_count;

}  // namespace

const char* channel_fault_name(channel_fault which) noexcept {
    static constexpr std::array<const char*, name_of_fault_count> names = {
        "network cut", "one-way cut", "volume cut", "reset",        "bit flip",
        "freeze",      "restart",     "ghost",      "slow consumer"};
    return names.at(static_cast<std::size_t>(which));
}

void channel_outcome::add(const channel_outcome& other) {
    violations.insert(violations.end(), other.violations.begin(), other.violations.end());
    for (std::size_t i = 0; i < faults.size(); ++i) {
        faults.at(i) += other.faults.at(i);
    }
    messages_sent += other.messages_sent;
    messages_delivered += other.messages_delivered;
    path_changes += other.path_changes;
    duplicates += other.duplicates;
    given_up += other.given_up;
    refused_windows += other.refused_windows;
    held_up_beats = std::max(held_up_beats, other.held_up_beats);
}

void timeline::run_until(std::uint64_t end_ns) {
    while (!events_.empty() && events_.top().when_ns <= end_ns) {
        auto next = events_.top();
        events_.pop();
        now_ns_ = next.when_ns;
        next.what();
    }
    now_ns_ = end_ns;
}

// -- connections

void channel_world::violate(std::string text) {
    if (result.violations.size() < 20) {
        result.violations.push_back(
            fmt::format("{:.3f} s: {}", static_cast<double>(time.now_ns()) / 1e9, text));
    }
}

std::size_t channel_world::write(const std::shared_ptr<sim_connection>& to, int from,
                                 std::span<const std::byte> bytes) {
    auto& stream = to->streams.at(static_cast<std::size_t>(from));
    const auto size = std::min(bytes.size(), socket_bytes - std::min(socket_bytes, stream.bytes));
    if (size == 0) {
        return 0;
    }
    const auto& way = roads.at(index_of(to->which));
    const auto crossed = time.now_ns() + way.latency_ns + random.below(way.jitter_ns + 1);
    stream.arrival_ns = std::max(stream.arrival_ns, crossed) + size * ms / way.bytes_per_ms;
    stream.chunks.push_back(
        {{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}, stream.arrival_ns});
    stream.bytes += size;
    schedule(to, from);
    return size;
}

void channel_world::schedule(const std::shared_ptr<sim_connection>& on, int from) {
    auto& stream = on->streams.at(static_cast<std::size_t>(from));
    const auto& way = roads.at(index_of(on->which));
    if (!stream.is_delivering && !stream.chunks.empty() &&
        !way.is_cut.at(static_cast<std::size_t>(from))) {
        stream.is_delivering = true;
        time.at(stream.chunks.front().arrival_ns, [this, on, from] { deliver(on, from); });
    }
}

void channel_world::deliver(const std::shared_ptr<sim_connection>& on, int from) {
    auto& stream = on->streams.at(static_cast<std::size_t>(from));
    const auto& way = roads.at(index_of(on->which));
    stream.is_delivering = false;
    if (way.is_cut.at(static_cast<std::size_t>(from))) {
        return;
    }
    const auto receiver = static_cast<std::size_t>(1 - from);
    if (!on->is_open.at(receiver)) {
        // What arrives where nobody listens is answered by a reset.
        stream.chunks.clear();
        if (!way.is_cut.at(receiver) && on->is_open.at(static_cast<std::size_t>(from))) {
            ends.at(static_cast<std::size_t>(from))->on_closed(on);
        }
        return;
    }
    auto& front = stream.chunks.front().bytes;
    if (random.chance(way.flip_chance)) {
        front[random.below(front.size())] ^= static_cast<std::byte>(1U << random.below(8));
        count(channel_fault::bit_flip);
    }
    stream.bytes -= front.size();
    auto& end = *ends.at(receiver);
    auto* const holder = end.holder_of(on.get());
    std::vector<std::byte> bytes = std::move(front);
    stream.chunks.pop_front();
    if (holder != nullptr) {
        end.when_awake(end.life_, [this, &end, on, moved = std::move(bytes)]() mutable {
            if (auto* const still = end.holder_of(on.get())) {
                end.take_bytes(*still, moved);
            }
        });
    }
    ends.at(static_cast<std::size_t>(from))->on_room(on);
    schedule(on, from);
}

void channel_world::close(const std::shared_ptr<sim_connection>& what, int by) {
    what->is_open.at(static_cast<std::size_t>(by)) = false;
    const auto& way = roads.at(index_of(what->which));
    const auto peer = static_cast<std::size_t>(1 - by);
    if (!way.is_cut.at(static_cast<std::size_t>(by)) && what->is_open.at(peer)) {
        time.after(way.latency_ns, [this, what, peer] { ends.at(peer)->on_closed(what); });
    }
}

void channel_world::cut(path which, int direction, bool is_cut) {
    auto& way = roads.at(index_of(which));
    way.is_cut.at(static_cast<std::size_t>(direction)) = is_cut;
    if (is_cut) {
        return;
    }
    for (auto it = connections.begin(); it != connections.end();) {
        const auto one = it->second.lock();
        it = one ? std::next(it) : connections.erase(it);
        if (one && one->which == which) {
            time.after(random.below(retransmission_ns_max),
                       [this, one, direction] { schedule(one, direction); });
        }
    }
}

}  // namespace diskhb::sim
