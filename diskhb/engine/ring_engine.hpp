// SPDX-License-Identifier: BSD-3-Clause
// One ring of one node without threads and without device: the flusher, the receivers and what
// they share, built for the volumes that were found. The node's threads drive it, or a simulator.
//
// Area 0 is the send volume: its receiver watches our slot and reads the peers that write there.
// Area 1 + n is receive_from[n]: a copy of a volume that other peers write to, with a receiver of
// its own. What receivers call here is called by their threads at once, for different peers:
// - frames: datagrams one at a time (delivery_lock_); messages and echoes have locks of their own;
// - the acknowledgement board, the send queue, the counters: any thread.
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
    // Called on the flusher's thread when the receiver of that area should wake: an answer may
    // come.
    std::function<void(std::size_t area)> wake_receiver;
    ring::log_start start;
    std::function<std::uint64_t()> draw_incarnation = random_incarnation;
};

// Throws setup_error if options do not fit the volume (a node id without slot).
class ring_engine final : private send_observer, private receive_observer {
  public:
    ring_engine(const ring_context& context, const format::superblock& superblock);

    // How many areas there are, the send volume included.
    std::size_t areas() const noexcept { return 1 + copies_.size(); }
    // The superblock that was read from the volume of area 1 or higher: builds the area's receiver
    // the first time. Errors: wrong_cluster, other_measures, same_volume; volume_changed if it is
    // not the one from before. The area's thread.
    boost::system::error_code accept_area(std::size_t area, const format::superblock& found);
    // Null until the area was accepted. Any thread; what may be called on it, see there.
    engine::receiver* receiver(std::size_t area) noexcept;

    // What the receiver's last step has shown of our slot. Joins when it is free, ends our life
    // when somebody else writes there. The receiver's thread.
    enum class slot_change { none, joined, in_use, stolen };
    slot_change watch_slot();
    // The life that the flusher is to follow, 0 for none. Any thread.
    std::uint64_t incarnation() const noexcept {
        return incarnation_.load(std::memory_order_acquire);
    }

    engine::flusher& flusher() noexcept { return flusher_; }
    message_service& messages() noexcept { return messages_; }
    acknowledgement_board& board() noexcept { return board_; }
    const format::superblock& superblock() const noexcept { return superblock_; }
    std::uint16_t slots() const noexcept { return superblock_.measures.slots; }
    std::size_t memory_bytes() const noexcept;

    // All peers, in the order of their ids; those of areas not accepted yet are unknown. Any
    // thread.
    std::vector<peer_status> peers(std::uint64_t now_ns) noexcept;

    // No datagram is delivered after this returned. Any thread.
    void close_delivery() noexcept;

  private:
    struct copy {
        std::vector<std::uint32_t> nodes;
        format::uuid cluster{};                      // the area's thread
        std::unique_ptr<engine::receiver> receiver;  // the area's thread
        std::atomic<engine::receiver*> ready{nullptr};
    };

    void live_as(std::uint64_t incarnation) noexcept;
    boost::system::error_code check_area(const copy& known,
                                         const format::superblock& found) const noexcept;
    template <class Action>
    void for_each_receiver(Action&& action);
    void on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                      const slot_set& destinations) noexcept override;
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
    ring::beat_log beats_;
    message_service messages_;
    engine::flusher flusher_;
    engine::receiver receiver_;
    std::vector<copy> copies_;
    std::mutex lives_lock_;  // a receiver that is built now is told our life, now or by live_as
    // Set by the receiver's thread. The release pairs with the acquire in incarnation(): who sees
    // the new life finds the messages of the old one gone.
    std::atomic<std::uint64_t> incarnation_{0};
    std::uint64_t written_end_ = 0;
    std::mutex delivery_lock_;
    bool delivering_ = true;
};

}  // namespace diskhb::engine
