// SPDX-License-Identifier: BSD-3-Clause
#include "engine/ring_engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format/batch.hpp"
#include "format/bytes.hpp"

namespace diskhb::engine {
namespace {

// Messages that were delivered are acknowledged after this time at the latest: long enough for a
// burst to share one table block, short against the time in which a sender fills its window.
constexpr std::uint64_t acknowledge_within_ns = 1'000'000;

std::uint64_t ns(std::chrono::nanoseconds duration) noexcept {
    return static_cast<std::uint64_t>(duration.count());
}

void check_ids(const node_options& options, const format::superblock& superblock) {
    const std::uint32_t slots = superblock.measures.slots;
    const auto check = [&](std::uint32_t id) {
        if (id < 1 || id > slots) {
            throw setup_error(exit_config,
                              fmt::format("node id {} has no slot: the volume of cluster '{}' has "
                                          "slots for node ids 1 to {}; format it with more slots",
                                          id, superblock.cluster_name, slots));
        }
    };
    check(options.node_id);
    std::for_each(options.peers.begin(), options.peers.end(), check);
}

// A batch takes over the frames that are inline: the longest frame must fit in behind them, or it
// would wait for ever. make_geometry sees to it that the longest batch has the room.
std::uint32_t batch_bytes(const node_options& options, const format::geometry& measures) {
    const std::size_t needed =
        format::batch_length_bytes(measures, format::inline_capacity_bytes(measures) +
                                                 format::frame_bytes(max_datagram_bytes));
    const std::size_t wanted = options.batch_bytes / measures.block_bytes * measures.block_bytes;
    return static_cast<std::uint32_t>(
        std::min<std::size_t>(std::max(wanted, needed), ring::longest_batch_bytes(measures)));
}

message_setup messages_of(const node_options& options, const format::superblock& superblock) {
    message_setup setup;
    setup.slots = superblock.measures.slots;
    setup.window_bytes = options.message_window_bytes;
    setup.flight_bytes = static_cast<std::size_t>(superblock.measures.ring_bytes) / 4 /
                         std::max<std::size_t>(1, options.peers.size());
    for (const std::uint32_t id : options.peers) {
        setup.peers.push_back(static_cast<format::slot_index>(id - 1));
    }
    return setup;
}

flusher_setup flusher_of(const ring_context& context, const format::superblock& superblock) {
    const node_options& options = *context.options;
    flusher_setup setup;
    setup.measures = superblock.measures;
    setup.cluster = superblock.cluster;
    setup.node_id = options.node_id;
    setup.batch_bytes = batch_bytes(options, superblock.measures);
    setup.ttl_ns = ns(options.ttl);
    setup.flush = {options.flush_when_idle, options.fill_bytes, ns(options.flush_deadline),
                   ns(options.beat_interval)};
    setup.start = context.start;
    return setup;
}

// Those peers that are not read from a copy.
std::vector<std::uint32_t> peers_here(const node_options& options) {
    std::vector<std::uint32_t> here;
    for (const std::uint32_t id : options.peers) {
        const bool is_elsewhere = std::any_of(
            options.receive_from.begin(), options.receive_from.end(), [id](const auto& each) {
                return std::find(each.nodes.begin(), each.nodes.end(), id) != each.nodes.end();
            });
        if (!is_elsewhere) {
            here.push_back(id);
        }
    }
    return here;
}

receiver_setup receiver_of(const ring_context& context, const format::superblock& superblock,
                           const ring::beat_log& beats, std::vector<std::uint32_t> peers,
                           ring::block_source source) {
    const node_options& options = *context.options;
    receiver_setup setup;
    setup.measures = superblock.measures;
    setup.cluster = superblock.cluster;
    setup.node_id = options.node_id;
    setup.peers = std::move(peers);
    setup.read_bytes = ring::longest_batch_bytes(superblock.measures);
    setup.ttl_ns = ns(options.ttl);
    setup.peer_timeout_ns = ns(options.peer_timeout);
    setup.poll = {ns(options.poll_hot), ns(options.hot_time), ns(options.poll_idle)};
    setup.source = source;
    setup.read_deadline_ns = ns(options.read_deadline);
    setup.beats = &beats;
    return setup;
}

const format::superblock& checked(const ring_context& context,
                                  const format::superblock& superblock) {
    check_ids(*context.options, superblock);
    return superblock;
}

}  // namespace

ring_engine::ring_engine(const ring_context& context, const format::superblock& superblock)
    : context_(context),
      superblock_(checked(context, superblock)),
      board_(superblock.measures.slots),
      messages_(messages_of(*context.options, superblock), *context.queue, *context.counts,
                *context.time),
      flusher_(flusher_of(context, superblock), *context.queue, board_, beats_, *context.counts,
               *context.time, *this),
      receiver_(receiver_of(context, superblock, beats_, peers_here(*context.options),
                            ring::block_source::shared_volume),
                board_, *context.counts, *this),
      copies_(context.options->receive_from.size()) {
    for (std::size_t index = 0; index < copies_.size(); ++index) {
        copies_[index].nodes = context.options->receive_from[index].nodes;
    }
}

boost::system::error_code ring_engine::check_area(const copy& known,
                                                  const format::superblock& found) const noexcept {
    if (found.cluster == superblock_.cluster) {
        return errc::same_volume;
    }
    if (known.receiver && known.cluster != found.cluster) {
        return errc::volume_changed;
    }
    if (found.cluster_name != superblock_.cluster_name) {
        return errc::wrong_cluster;
    }
    const bool is_alike = found.measures.block_bytes == superblock_.measures.block_bytes &&
                          found.measures.slots == superblock_.measures.slots &&
                          found.measures.ring_bytes == superblock_.measures.ring_bytes;
    return is_alike ? boost::system::error_code() : errc::other_measures;
}

boost::system::error_code ring_engine::accept_area(std::size_t area,
                                                   const format::superblock& found) {
    DISKHB_ASSERT(area >= 1 && area <= copies_.size());
    copy& of = copies_[area - 1];
    const auto error = check_area(of, found);
    if (error || of.receiver) {
        return error;
    }
    of.cluster = found.cluster;
    receive_observer& observer = *this;
    auto made = std::make_unique<engine::receiver>(
        receiver_of(context_, found, beats_, of.nodes, ring::block_source::copy), board_,
        *context_.counts, observer);
    const std::lock_guard guard(lives_lock_);
    made->joined_as(incarnation());
    of.receiver = std::move(made);
    of.ready.store(of.receiver.get(), std::memory_order_release);
    return {};
}

engine::receiver* ring_engine::receiver(std::size_t area) noexcept {
    return area == 0 ? &receiver_ : copies_[area - 1].ready.load(std::memory_order_acquire);
}

template <class Action>
void ring_engine::for_each_receiver(Action&& action) {
    for (std::size_t area = 0; area < areas(); ++area) {
        if (engine::receiver* const found = receiver(area)) {
            action(area, *found);
        }
    }
}

std::vector<peer_status> ring_engine::peers(std::uint64_t now_ns) noexcept {
    std::vector<peer_status> all;
    const std::uint64_t our_end = flusher_.next_sequence();
    for (std::size_t area = 0; area < areas(); ++area) {
        if (engine::receiver* const found = receiver(area)) {
            const auto some = found->peers(now_ns, our_end);
            all.insert(all.end(), some.begin(), some.end());
            continue;
        }
        for (const std::uint32_t id : copies_[area - 1].nodes) {
            all.emplace_back().node_id = id;
        }
    }
    std::sort(all.begin(), all.end(),
              [](const auto& left, const auto& right) { return left.node_id < right.node_id; });
    return all;
}

ring_engine::slot_change ring_engine::watch_slot() {
    const bool lives = incarnation_.load(std::memory_order_relaxed) != 0;
    const slot_state slot = receiver_.slot();
    if (!lives && slot == slot_state::free) {
        live_as(context_.draw_incarnation());
        return slot_change::joined;
    }
    if (slot != slot_state::taken) {
        return slot_change::none;
    }
    if (!lives) {
        return slot_change::in_use;
    }
    live_as(0);
    return slot_change::stolen;
}

void ring_engine::live_as(std::uint64_t incarnation) noexcept {
    const std::lock_guard guard(lives_lock_);
    messages_.restart(incarnation);
    for_each_receiver([&](std::size_t, engine::receiver& each) { each.joined_as(incarnation); });
    if (incarnation == 0) {
        board_.forget();
    }
    incarnation_.store(incarnation, std::memory_order_release);
}

void ring_engine::close_delivery() noexcept {
    const std::lock_guard guard(delivery_lock_);
    delivering_ = false;
}

std::size_t ring_engine::memory_bytes() const noexcept {
    std::size_t bytes = flusher_.memory_bytes() + receiver_.memory_bytes() +
                        messages_.memory_bytes() + beats_.memory_bytes();
    for (const copy& each : copies_) {
        const engine::receiver* const found = each.ready.load(std::memory_order_acquire);
        bytes += found == nullptr ? 0 : found->memory_bytes();
    }
    return bytes;
}

void ring_engine::on_message_left(format::slot_index destination) noexcept {
    messages_.on_left_queue(destination);
}

void ring_engine::on_written(std::uint64_t end_sequence) noexcept {
    messages_.on_written(end_sequence);
    if (end_sequence != written_end_) {
        written_end_ = end_sequence;
        for_each_receiver([&](std::size_t area, engine::receiver& each) {
            if (each.expect_answer() && context_.wake_receiver) {
                context_.wake_receiver(area);
            }
        });
    }
}

void ring_engine::on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                               const slot_set& destinations) noexcept {
    for_each_receiver([&](std::size_t, engine::receiver& each) {
        each.on_announced(end_sequence, begun_ns, destinations);
    });
}

void ring_engine::on_frame(format::slot_index from, const format::frame& received) noexcept {
    switch (received.kind) {
        case format::frame_kind::datagram:
            on_datagram(from, received.payload);
            break;
        case format::frame_kind::message:
            on_message(from, received.payload);
            break;
        case format::frame_kind::echo_request:
        case format::frame_kind::echo_reply:
            on_echo(from, received);
            break;
    }
}

void ring_engine::on_datagram(format::slot_index from,
                              std::span<const std::byte> payload) noexcept {
    const std::lock_guard guard(delivery_lock_);
    if (!delivering_) {
        return;
    }
    const std::uint32_t sender = from + 1U;
    if (context_.options->on_datagram) {
        context_.options->on_datagram(sender, payload);
    } else if (!context_.datagrams->put(sender, payload)) {
        context_.counts->add(counter::dropped_receive_full);
        return;
    }
    context_.counts->add(counter::frames_delivered);
    context_.counts->add(counter::bytes_delivered, payload.size());
}

void ring_engine::on_message(format::slot_index from, std::span<const std::byte> piece) noexcept {
    if (messages_.on_piece(from, piece)) {
        board_.want_by(context_.time->now_ns() + acknowledge_within_ns);
    }
}

void ring_engine::on_echo(format::slot_index from, const format::frame& received) noexcept {
    if (received.payload.size() != sizeof(std::uint64_t)) {
        return;
    }
    if (received.kind == format::frame_kind::echo_reply) {
        context_.echoes->complete(format::load<std::uint64_t>(received.payload, 0),
                                  context_.time->now_ns());
        return;
    }
    const format::frame reply{.destination = from,
                              .kind = format::frame_kind::echo_reply,
                              .submitted_ns = context_.time->now_ns(),
                              .payload = received.payload};
    context_.counts->add(counter::echo_requests);
    if (context_.queue->submit(packet_type::control, reply)) {
        context_.counts->add(counter::dropped_full);
    }
}

void ring_engine::on_peer_block(format::slot_index peer, std::uint64_t incarnation,
                                const format::acknowledgement& of_us) noexcept {
    messages_.on_peer_block(peer, incarnation, of_us);
}

std::uint64_t ring_engine::message_sequence_from(format::slot_index peer) noexcept {
    return messages_.wanted_from(peer);
}

}  // namespace diskhb::engine
