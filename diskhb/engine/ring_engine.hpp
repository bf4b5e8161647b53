// SPDX-License-Identifier: BSD-3-Clause
// One ring of one node without threads and without device: the flusher, the receiver and what they
// share, built for the volume that was found. The node's threads drive it, or a simulator.
#pragma once

#include <atomic>
#include <functional>

#include "engine/echo_table.hpp"
#include "engine/flusher.hpp"
#include "engine/message_service.hpp"
#include "engine/receive_queue.hpp"
#include "engine/receiver.hpp"
#include "format/superblock.hpp"

namespace diskhb::engine {

// What outlives the volume: clients' queues, counters, time.
struct ring_context {
    const node_options* options = nullptr;
    const clock* time = nullptr;
    send_queue* queue = nullptr;
    receive_queue* datagrams = nullptr;
    echo_table* echoes = nullptr;
    ring::counters* counts = nullptr;
    // Called on the flusher's thread when the receiver should wake: an answer may come.
    std::function<void()> wake_receiver;
    ring::log_start start;
    std::function<std::uint64_t()> draw_incarnation = random_incarnation;
};

// Throws setup_error if options do not fit the volume (a node id without slot).
class ring_engine final : private send_observer, private receive_observer {
  public:
    ring_engine(const ring_context& context, const format::superblock& superblock);

    // What the receiver's last step has shown of our slot. Joins when it is free, ends our life
    // when somebody else writes there. The receiver's thread.
    enum class slot_change { none, joined, in_use, stolen };
    slot_change watch_slot();
    // The life that the flusher is to follow, 0 for none. Any thread.
    std::uint64_t incarnation() const noexcept {
        return incarnation_.load(std::memory_order_acquire);
    }

    engine::flusher& flusher() noexcept { return flusher_; }
    engine::receiver& receiver() noexcept { return receiver_; }
    message_service& messages() noexcept { return messages_; }
    acknowledgement_board& board() noexcept { return board_; }
    const format::superblock& superblock() const noexcept { return superblock_; }
    std::uint16_t slots() const noexcept { return superblock_.measures.slots; }
    std::size_t memory_bytes() const noexcept;

    // No datagram is delivered after this returned. Any thread.
    void close_delivery() noexcept;

  private:
    void live_as(std::uint64_t incarnation) noexcept;
    void on_message_left(format::slot_index destination) noexcept override;
    void on_written(std::uint64_t end_sequence) noexcept override;
    void on_frame(format::slot_index from, const format::frame& received) noexcept override;
    void on_peer_block(format::slot_index peer, std::uint64_t incarnation,
                       const format::acknowledgement& of_us) noexcept override;
    std::uint64_t message_sequence_from(format::slot_index peer) noexcept override;

    void on_datagram(format::slot_index from, std::span<const std::byte> payload) noexcept;
    void on_message(format::slot_index from, std::span<const std::byte> piece) noexcept;
    void on_echo(format::slot_index from, const format::frame& received) noexcept;

    ring_context context_;
    format::superblock superblock_;
    acknowledgement_board board_;
    message_service messages_;
    engine::flusher flusher_;
    engine::receiver receiver_;
    // Set by the receiver's thread. The release pairs with the acquire in incarnation(): who sees
    // the new life finds the messages of the old one gone.
    std::atomic<std::uint64_t> incarnation_{0};
    std::uint64_t written_end_ = 0;
    std::mutex delivery_lock_;
    bool delivering_ = true;
};

}  // namespace diskhb::engine
