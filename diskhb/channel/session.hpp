// SPDX-License-Identifier: BSD-3-Clause
// One side of a channel, a pure state machine: which messages are outstanding, which path is used,
// when a path is given up (doc/channel.md). It knows no sockets and no clock; time is passed in, in
// ns of any clock that only grows. One thread at a time.
//
// Messages are numbered from 0 for each pair of lives, whichever path they go by. On a change of
// path all that the other side has not taken is sent again on the new one, from the oldest on; the
// other side drops what it has. So each path carries a stream without gaps, and order needs no
// agreement between paths.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "channel/payload_store.hpp"
#include "channel/wire.hpp"

namespace diskhb::channels {

// In heartbeats: what each figure is for is told in doc/channel.md, "When the path changes".
inline constexpr std::uint64_t silence_beats = 2;          // the network is given up
inline constexpr std::uint64_t volume_silence_beats = 10;  // the volume's connection is
inline constexpr std::uint64_t return_beats = 5;           // back on the network

// What a message takes of the window besides its bytes.
inline constexpr std::size_t message_overhead_bytes = 64;
inline constexpr std::size_t window_bytes_min = 2 << 20;

struct session_options {
    std::uint64_t life = 0;  // random, not 0
    std::uint64_t heartbeat_ns = 0;
    std::uint64_t window_bytes = 0;
};

// A frame to be written, header first. The payload stays whatever becomes of the session.
struct outgoing {
    header_bytes header{};
    std::shared_ptr<const std::byte[]> payload;
    std::size_t payload_bytes = 0;
};

class session {
  public:
    session(session_options options, std::uint64_t now_ns);

    // -- what the application does
    // Errors: window_shut, too_long.
    boost::system::error_code add(std::span<const std::byte> message);
    // It has taken the oldest message that was to be delivered, at a time when counted().restarts
    // was that: what a former life had sent is nobody's concern any more.
    void on_taken(std::size_t message_bytes, std::uint64_t of_restarts) noexcept;

    // -- connections
    // What our hello says of us.
    void fill(hello& ours) const noexcept;
    enum class welcome {
        accepted,
        accepted_alone,  // of a new life of theirs: the other path's connection is to be closed
        refused,         // of another life than the one that we hear, of our own, or senseless
    };
    // Whether a hello answers ours. A connection of a process that has ended may lie in a backlog
    // for long: whoever is connected to takes no hello for good that does not.
    bool is_answer(const hello& theirs) const noexcept {
        return theirs.known_life == options_.life;
    }
    // Both sides have said hello on a new connection; an earlier one of that path is gone.
    welcome on_connected(path which, const hello& theirs, std::uint64_t now_ns);
    void on_closed(path which);
    // Bytes of frames came in, whole frames or not.
    void on_bytes(path which, std::size_t bytes) noexcept;
    // Among them were bytes of a message that is not whole yet.
    void on_part_of_message(path which, std::uint64_t now_ns) noexcept;
    enum class verdict { nothing, deliver, malformed };
    // A whole frame whose checksums hold. malformed: the connection is to be closed.
    verdict on_frame(path which, const frame_header& frame, std::uint64_t now_ns) noexcept;

    // -- time
    // Called at next_time_ns() or earlier. True for a path whose connection is to be closed since
    // nothing is heard on it; on_closed follows.
    std::array<bool, path_count> on_time(std::uint64_t now_ns);
    std::uint64_t next_time_ns() const noexcept;

    // -- what goes out
    // The next frame for a connection, if there is one. Call until there is none.
    std::optional<outgoing> next_output(path which);
    bool has_output(path which) const noexcept;
    // We are about to close: the other side is to know now what was taken.
    void owe_acknowledgements() noexcept;

    // -- what came of it; each is told once
    std::optional<std::optional<path>> take_path_change() noexcept;
    std::optional<std::uint64_t> take_restart() noexcept;  // how many messages were given up
    // There is room for the largest message, and add() has said window_shut since the last time.
    bool take_room() noexcept;

    std::optional<path> active() const noexcept { return active_; }
    bool is_connected(path which) const noexcept { return links_[index_of(which)].is_connected; }
    std::uint64_t waiting() const noexcept { return outbox_.size(); }
    std::uint64_t waiting_bytes() const noexcept { return outbox_bytes_; }
    std::uint64_t heartbeat_ns() const noexcept { return heartbeat_ns_; }

    struct counts {
        std::uint64_t sent = 0;
        std::uint64_t delivered = 0;
        std::uint64_t resent = 0;
        std::uint64_t duplicates = 0;
        std::uint64_t path_changes = 0;
        std::uint64_t silences = 0;
        std::uint64_t restarts = 0;
    };
    const counts& counted() const noexcept { return counts_; }

  private:
    struct link {
        bool is_connected = false;
        bool beat_owed = false;
        bool answer_owed = false;
        std::uint64_t sent_bytes = 0;      // of frames, on this connection
        std::uint64_t heard_bytes = 0;     // of those, what the other side says it has
        std::uint64_t received_bytes = 0;  // of frames
        std::uint64_t told_wanted = 0;     // the newest of our numbers that went out
        std::uint64_t next_beat_ns = 0;
        std::uint64_t proven_ns = 0;  // when it last proved to carry both ways
        std::uint64_t silent_ns = 0;  // since then, in time in which we were awake
        std::uint64_t steady_ns = 0;  // without a long silence
    };
    static void prove(link& which, std::uint64_t now_ns) noexcept;
    link& at(path which) noexcept { return links_[index_of(which)]; }
    const link& at(path which) const noexcept { return links_[index_of(which)]; }
    bool is_usable(path which) const noexcept;
    void choose() noexcept;
    void use(std::optional<path> which) noexcept;
    void forget_peer();
    bool release(std::uint64_t wanted) noexcept;
    std::uint64_t window() const noexcept;
    bool may_send_next() const noexcept;
    bool owes_acknowledgement(path which) const noexcept;

    session_options options_;
    std::uint64_t heartbeat_ns_;     // the longer one of both sides
    std::uint64_t peer_window_ = 0;  // 0: not known yet
    std::uint64_t peer_life_ = 0;

    // What we send: messages [base_, base_ + outbox_.size()), of which those before sent_ went out
    // on the active path, and those before high_ on any. More may have been accepted before we
    // knew the other side's window than fits there: flight_bytes_, of [base_, sent_), is what
    // counts.
    payload_store payloads_;
    std::deque<payload_store::kept> outbox_;
    std::uint64_t outbox_bytes_ = 0;
    std::uint64_t flight_bytes_ = 0;
    std::uint64_t base_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t high_ = 0;

    // What we get: messages before expected_ came, those before taken_ the application has.
    std::uint64_t expected_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t untaken_bytes_ = 0;
    std::uint64_t taken_unsaid_bytes_ = 0;  // taken since we last said so

    std::array<link, path_count> links_;
    std::optional<path> active_;
    bool network_was_lost_ = false;
    std::uint64_t last_time_ns_;

    bool path_changed_ = false;
    bool was_refused_ = false;
    std::optional<std::uint64_t> restart_;
    counts counts_;
};

}  // namespace diskhb::channels
