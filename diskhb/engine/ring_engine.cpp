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

receiver_setup receiver_of(const ring_context& context, const format::superblock& superblock) {
    const node_options& options = *context.options;
    receiver_setup setup;
    setup.measures = superblock.measures;
    setup.cluster = superblock.cluster;
    setup.node_id = options.node_id;
    setup.peers = options.peers;
    setup.read_bytes = ring::longest_batch_bytes(superblock.measures);
    setup.ttl_ns = ns(options.ttl);
    setup.peer_timeout_ns = ns(options.peer_timeout);
    setup.poll = {ns(options.poll_hot), ns(options.hot_time), ns(options.poll_idle)};
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
      flusher_(flusher_of(context, superblock), *context.queue, board_, *context.counts, *this),
      receiver_(receiver_of(context, superblock), board_, *context.counts, *this) {}

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
    messages_.restart(incarnation);
    receiver_.joined_as(incarnation);
    incarnation_.store(incarnation, std::memory_order_release);
}

void ring_engine::close_delivery() noexcept {
    const std::lock_guard guard(delivery_lock_);
    delivering_ = false;
}

std::size_t ring_engine::memory_bytes() const noexcept {
    return flusher_.memory_bytes() + receiver_.memory_bytes() + messages_.memory_bytes();
}

void ring_engine::on_message_left(format::slot_index destination) noexcept {
    messages_.on_left_queue(destination);
}

void ring_engine::on_written(std::uint64_t end_sequence) noexcept {
    messages_.on_written(end_sequence);
    if (end_sequence != written_end_) {
        written_end_ = end_sequence;
        if (receiver_.expect_answer() && context_.wake_receiver) {
            context_.wake_receiver();
        }
    }
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
