// SPDX-License-Identifier: BSD-3-Clause
// Messages over the ring: keeps what is outstanding to each peer, puts pieces into the send queue,
// repeats them when the peer's acknowledgements say that they are lost, and assembles what comes.
// Decisions are send_window's. Any thread unless said otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/clock.hpp"
#include "engine/message_window.hpp"
#include "engine/receive_queue.hpp"
#include "engine/send_queue.hpp"
#include "ring/counters.hpp"

namespace diskhb::engine {

struct message_setup {
    std::uint16_t slots = 0;
    std::size_t window_bytes = 0;           // kept for one peer; 0: no message service
    std::size_t flight_bytes = 0;           // on their way to one peer: well within the ring, so
                                            // that messages alone never lap a reader
    std::vector<format::slot_index> peers;  // only these; each costs window_bytes and a message
};

class message_service {
  public:
    message_service(const message_setup& setup, send_queue& queue, ring::counters& counts,
                    const clock& time);
    ~message_service();

    // We joined as that incarnation: all that was outstanding or half-assembled is gone. One
    // thread, while receivers' threads may be in the functions below.
    void restart(std::uint64_t our_incarnation) noexcept;

    // Errors: window_shut, not_reachable (the peer was never heard, or we have not
    // joined), no_such_node.
    boost::system::error_code send(format::slot_index to,
                                   std::span<const std::byte> payload) noexcept;
    result<received> receive(std::span<std::byte> into, std::chrono::nanoseconds timeout) noexcept {
        return inbox_.take(into, timeout);
    }
    void close() noexcept { inbox_.close(); }

    // The flusher's thread.
    void on_left_queue(format::slot_index to) noexcept;
    void on_written(std::uint64_t end_sequence) noexcept;

    // The thread of the receiver that reads this peer: of one peer one thread, of several peers as
    // many threads as there are areas.
    void on_peer_block(format::slot_index peer, std::uint64_t incarnation,
                       const format::acknowledgement& of_us) noexcept;
    // True if the piece was new: an acknowledgement is owed.
    bool on_piece(format::slot_index from, std::span<const std::byte> piece) noexcept;
    std::uint64_t wanted_from(format::slot_index peer) const noexcept;

    std::size_t memory_bytes() const noexcept;

  private:
    struct outbox;
    struct assembly;

    void keep(outbox& of, std::span<const std::byte> part, std::uint32_t flags,
              std::size_t message_bytes) noexcept;
    void send_waiting(format::slot_index to, outbox& of) noexcept;
    void go_back(outbox& of, std::uint64_t now_ns) noexcept;
    bool assemble(format::slot_index from, assembly& of, std::uint32_t flags,
                  std::size_t message_bytes, std::span<const std::byte> part) noexcept;

    message_setup setup_;
    send_queue* queue_;
    ring::counters* counts_;
    const clock* clock_;
    std::atomic<std::uint64_t> our_incarnation_{0};  // changed under lock_
    mutable std::mutex lock_;                        // guards outboxes
    std::vector<std::unique_ptr<outbox>> outboxes_;  // by slot; null for no peer
    // By slot; each has a lock of its own, taken by its receiver's thread and by restart. Never
    // taken with lock_ to follow.
    std::vector<std::unique_ptr<assembly>> assemblies_;
    receive_queue inbox_;
};

}  // namespace diskhb::engine
