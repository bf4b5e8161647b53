// SPDX-License-Identifier: BSD-3-Clause
// The reliable, ordered message service: the sender's window towards one peer, a pure state machine
// (doc/engine.md, "Messages").
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
// Pieces [base, sent) are on their way, [sent, next) wait for their turn.
class send_window {
  public:
    // A new peer or a new life of either: all that was outstanding is given up.
    void restart() noexcept { *this = send_window(); }

    // A new piece; returns its number.
    std::uint64_t add() noexcept { return next_++; }
    // The piece `sent` goes into the send queue. REQUIRES: sent != next.
    void on_sent() noexcept {
        ++sent_;
        ++in_queue_;
    }
    // A piece has left the send queue, to the volume or, too old, nowhere.
    void on_left_queue() noexcept {
        if (in_queue_ > 0) {
            --in_queue_;
        }
    }
    // Everything before end_sequence of our log is on the volume or lost: of the pieces all but the
    // last ones sent, which still wait in the queue. The mark stays until all pieces before it have
    // arrived: new ones do not put off what is to be told of the old ones, however long the peer's
    // answer is on its way.
    void on_written(std::uint64_t end_sequence) noexcept {
        const std::uint64_t left = sent_ - in_queue_;
        if (!mark_ && ring::before(base_, left)) {
            mark_ = {left, end_sequence};
        }
    }

    struct verdict {
        std::uint64_t released = 0;  // so many pieces, the oldest, were delivered
        bool lost = false;           // those on their way will not arrive: see go_back
    };
    // What the peer's table block says of our present incarnation.
    verdict on_acknowledgement(const format::acknowledgement& ack) noexcept {
        verdict found;
        const std::int64_t delivered = ring::distance(base_, ack.message_sequence);
        if (delivered > 0 && delivered <= ring::distance(base_, next_)) {
            found.released = static_cast<std::uint64_t>(delivered);
            base_ = ack.message_sequence;
            sent_ = ring::before(sent_, base_) ? base_ : sent_;
        }
        if (mark_ && !ring::before(base_, mark_->end_piece)) {
            mark_.reset();
        }
        found.lost =
            mark_ && in_queue_ == 0 && !ring::before(ack.read_sequence, mark_->at_sequence);
        return found;
    }
    // All that was on its way waits for its turn again.
    void go_back() noexcept {
        sent_ = base_;
        mark_.reset();
    }

    std::uint64_t base() const noexcept { return base_; }
    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t next() const noexcept { return next_; }

  private:
    std::uint64_t base_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t in_queue_ = 0;  // copies of pieces that wait in the send queue
    // All pieces before end_piece are in our log before at_sequence, or lost. A peer that has read
    // so far and still wants one of them will not get it any more.
    struct mark {
        std::uint64_t end_piece = 0;
        std::uint64_t at_sequence = 0;
    };
    std::optional<mark> mark_;
};

}  // namespace diskhb::engine
