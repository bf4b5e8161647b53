// SPDX-License-Identifier: BSD-3-Clause
// The reliable, ordered message service between two nodes, as two pure state machines: the
// sender's window and the receiver's order (doc/engine.md, "Messages").
//
// Messages are cut into pieces, numbered from 0 for each pair of incarnations. The peer's table
// block says (a) which frames of our log it has read and (b) which piece it wants next. A piece
// whose frame was read without the number advancing is lost: all from the wanted piece on are sent
// again. No timer decides, and no piece is sent twice while its first copy may still arrive.
#pragma once

#include <cstdint>
#include <optional>

#include "format/table_block.hpp"
#include "ring/sequence.hpp"

namespace diskhb::engine {

// The sender's side towards one peer. Piece numbers only; who keeps the bytes is not its business.
class send_window {
  public:
    // A new peer or a new life of either: all that was outstanding is given up.
    void restart() noexcept { *this = send_window(); }

    // A new piece was given to the send queue; returns its number.
    std::uint64_t add() noexcept {
        ++in_queue_;
        settled_at_.reset();
        return next_++;
    }
    // A piece, new or repeated, has left the send queue.
    void on_left_queue() noexcept {
        if (in_queue_ > 0) {
            --in_queue_;
        }
    }
    // Everything before end_sequence of our log is on the volume or lost.
    void on_written(std::uint64_t end_sequence) noexcept {
        if (in_queue_ == 0 && !settled_at_) {
            settled_at_ = end_sequence;
        }
    }

    struct verdict {
        std::uint64_t released = 0;  // so many pieces, the oldest, were delivered
        bool resend = false;         // all outstanding ones are lost: repeat them, then resent()
    };
    // What the peer's table block says of our present incarnation.
    verdict on_acknowledgement(const format::acknowledgement& ack) noexcept {
        verdict found;
        const auto outstanding = static_cast<std::int64_t>(next_ - base_);
        const std::int64_t delivered = ring::distance(base_, ack.message_sequence);
        if (delivered > 0 && delivered <= outstanding) {
            found.released = static_cast<std::uint64_t>(delivered);
            base_ = ack.message_sequence;
        }
        found.resend =
            base_ != next_ && settled_at_ && !ring::before(ack.read_sequence, *settled_at_);
        return found;
    }
    void resent() noexcept {
        in_queue_ += next_ - base_;
        settled_at_.reset();
    }

    std::uint64_t base() const noexcept { return base_; }  // the oldest outstanding piece
    std::uint64_t next() const noexcept { return next_; }

  private:
    std::uint64_t base_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t in_queue_ = 0;  // copies of pieces that wait in the send queue
    // With nothing in the queue: where our log ended then. A peer that has read so far and still
    // wants a piece will not get it any more.
    std::optional<std::uint64_t> settled_at_;
};

}  // namespace diskhb::engine
