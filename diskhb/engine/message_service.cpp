// SPDX-License-Identifier: BSD-3-Clause
#include "engine/message_service.hpp"

#include <algorithm>
#include <array>

#include "format/bytes.hpp"

namespace diskhb::engine {
namespace {

// A piece (doc/engine.md, "Messages"): 0 number u64, 8 the receiver's incarnation it is meant for
// u64, 16 the sender's in which it was accepted u64 (it may still wait in the send queue when the
// next one begins), 24 flags u32, 28 length of the whole message u32, then its bytes.
constexpr std::size_t piece_header_bytes = 32;
constexpr std::size_t piece_bytes_most = 32 * 1024;
constexpr std::uint32_t flag_first = 1;
constexpr std::uint32_t flag_last = 2;

// The pause before pieces are repeated doubles while the peer takes none: its inbox may be full.
constexpr std::uint64_t resend_pause_first_ns = 1'000'000;
constexpr std::uint64_t resend_pause_most_ns = 100'000'000;

}  // namespace

struct message_service::outbox {
    outbox(std::size_t window_bytes, std::size_t pieces) : bytes(window_bytes), sizes(pieces) {}

    std::uint64_t peer_incarnation = 0;
    send_window window;
    byte_circle bytes;                 // the outstanding pieces, headers included
    std::vector<std::uint32_t> sizes;  // a circle: number modulo its size
    std::size_t flight_bytes = 0;      // of the oldest pieces: those on their way
    std::uint64_t resend_not_before_ns = 0;
    std::uint64_t resend_pause_ns = resend_pause_first_ns;
    std::array<std::byte, piece_header_bytes + piece_bytes_most> scratch;

    void restart() noexcept {
        window.restart();
        bytes.clear();
        flight_bytes = 0;
        resend_pause_ns = resend_pause_first_ns;
    }
    void release(std::uint64_t count) noexcept {
        for (std::uint64_t number = window.base() - count; number != window.base(); ++number) {
            const std::size_t size = sizes[number % sizes.size()];
            bytes.drop(size);
            flight_bytes -= std::min(flight_bytes, size);
        }
        resend_pause_ns = resend_pause_first_ns;
    }
};

struct message_service::assembly {
    void restart() noexcept {
        wanted.store(0, std::memory_order_relaxed);
        used = 0;
    }

    std::mutex lock;
    std::uint64_t sender_incarnation = 0;
    std::atomic<std::uint64_t> wanted{0};  // the number of the next piece; changed under the lock
    std::vector<std::byte> message;
    std::size_t used = 0;
};

message_service::message_service(const message_setup& setup, send_queue& queue,
                                 ring::counters& counts, const clock& time)
    : setup_(setup),
      queue_(&queue),
      counts_(&counts),
      clock_(&time),
      outboxes_(setup.slots),
      assemblies_(setup.slots),
      inbox_(setup.window_bytes * setup.peers.size()) {
    if (setup.window_bytes == 0) {
        return;
    }
    for (const format::slot_index peer : setup.peers) {
        // Small messages have a piece each: their number is bounded as well as their bytes.
        outboxes_[peer] = std::make_unique<outbox>(
            setup.window_bytes, std::max<std::size_t>(64, setup.window_bytes / 256));
        assemblies_[peer] = std::make_unique<assembly>();
        assemblies_[peer]->message.resize(max_message_bytes);
    }
}

message_service::~message_service() = default;

void message_service::restart(std::uint64_t our_incarnation) noexcept {
    const std::lock_guard guard(lock_);
    our_incarnation_.store(our_incarnation, std::memory_order_relaxed);
    for (auto& box : outboxes_) {
        if (box) {
            box->restart();
        }
    }
    for (auto& each : assemblies_) {
        if (each) {
            const std::lock_guard assembly_guard(each->lock);
            each->restart();
        }
    }
}

boost::system::error_code message_service::send(format::slot_index to,
                                                std::span<const std::byte> payload) noexcept {
    const std::lock_guard guard(lock_);
    if (to >= outboxes_.size() || !outboxes_[to]) {
        return errc::no_such_node;
    }
    outbox& box = *outboxes_[to];
    if (box.peer_incarnation == 0 || our_incarnation_.load(std::memory_order_relaxed) == 0) {
        return errc::not_reachable;
    }
    const std::size_t count =
        std::max<std::size_t>(1, (payload.size() + piece_bytes_most - 1) / piece_bytes_most);
    const std::size_t outstanding = box.window.next() - box.window.base();
    if (payload.size() + count * piece_header_bytes > box.bytes.free() ||
        count > box.sizes.size() - outstanding) {
        counts_->add(counter::messages_refused);
        return errc::window_shut;
    }
    for (std::size_t index = 0; index < count; ++index) {
        const std::size_t begin = index * piece_bytes_most;
        const auto part =
            payload.subspan(begin, std::min(piece_bytes_most, payload.size() - begin));
        const std::uint32_t flags =
            (index == 0 ? flag_first : 0) | (index + 1 == count ? flag_last : 0);
        keep(box, part, flags, payload.size());
    }
    send_waiting(to, box);
    counts_->add(counter::messages_sent);
    return {};
}

void message_service::keep(outbox& of, std::span<const std::byte> part, std::uint32_t flags,
                           std::size_t message_bytes) noexcept {
    const auto piece = std::span(of.scratch).first(piece_header_bytes + part.size());
    const std::uint64_t number = of.window.add();
    format::store<std::uint64_t>(piece, 0, number);
    format::store<std::uint64_t>(piece, 8, of.peer_incarnation);
    format::store<std::uint64_t>(piece, 16, our_incarnation_.load(std::memory_order_relaxed));
    format::store<std::uint32_t>(piece, 24, flags);
    format::store<std::uint32_t>(piece, 28, static_cast<std::uint32_t>(message_bytes));
    format::store_bytes(piece, piece_header_bytes, part);
    of.bytes.push(piece);
    of.sizes[number % of.sizes.size()] = static_cast<std::uint32_t>(piece.size());
}

// At least one piece is always on its way, then as many as the flight limit allows.
void message_service::send_waiting(format::slot_index to, outbox& of) noexcept {
    while (of.window.sent() != of.window.next()) {
        const std::size_t size = of.sizes[of.window.sent() % of.sizes.size()];
        if (of.flight_bytes != 0 && of.flight_bytes + size > setup_.flight_bytes) {
            return;
        }
        const auto piece = std::span(of.scratch).first(size);
        of.bytes.peek(of.flight_bytes, piece);
        of.flight_bytes += size;
        of.window.on_sent();
        const format::frame frame{.destination = to,
                                  .kind = format::frame_kind::message,
                                  .submitted_ns = clock_->now_ns(),
                                  .payload = piece};
        // A full queue is a loss like any other: the peer's acknowledgements will tell.
        if (queue_->submit(packet_type::cluster, frame)) {
            counts_->add(counter::dropped_full);
            of.window.on_left_queue();
        }
    }
}

void message_service::on_left_queue(format::slot_index to) noexcept {
    const std::lock_guard guard(lock_);
    if (to < outboxes_.size() && outboxes_[to]) {
        outboxes_[to]->window.on_left_queue();
    }
}

void message_service::on_written(std::uint64_t end_sequence) noexcept {
    if (setup_.window_bytes == 0) {
        return;
    }
    const std::lock_guard guard(lock_);
    for (const format::slot_index peer : setup_.peers) {
        outboxes_[peer]->window.on_written(end_sequence);
    }
}

void message_service::on_peer_block(format::slot_index peer, std::uint64_t incarnation,
                                    const format::acknowledgement& of_us) noexcept {
    if (peer >= outboxes_.size() || !outboxes_[peer]) {
        return;
    }
    {
        assembly& in = *assemblies_[peer];
        const std::lock_guard assembly_guard(in.lock);
        if (in.sender_incarnation != incarnation) {
            in.sender_incarnation = incarnation;
            in.restart();
        }
    }
    const std::lock_guard guard(lock_);
    outbox& box = *outboxes_[peer];
    if (box.peer_incarnation != incarnation) {
        box.peer_incarnation = incarnation;
        box.restart();
    }
    const std::uint64_t ours = our_incarnation_.load(std::memory_order_relaxed);
    if (ours == 0 || of_us.incarnation != ours) {
        return;
    }
    const auto verdict = box.window.on_acknowledgement(of_us);
    if (verdict.released > 0) {
        box.release(verdict.released);
    }
    if (verdict.lost) {
        go_back(box, clock_->now_ns());
    }
    send_waiting(peer, box);
}

void message_service::go_back(outbox& of, std::uint64_t now_ns) noexcept {
    if (now_ns < of.resend_not_before_ns) {
        return;
    }
    of.resend_not_before_ns = now_ns + of.resend_pause_ns;
    of.resend_pause_ns = std::min(of.resend_pause_ns * 2, resend_pause_most_ns);
    counts_->add(counter::message_frames_resent, of.window.sent() - of.window.base());
    of.window.go_back();
    of.flight_bytes = 0;
}

bool message_service::on_piece(format::slot_index from, std::span<const std::byte> piece) noexcept {
    if (from >= assemblies_.size() || !assemblies_[from] || piece.size() < piece_header_bytes) {
        return false;
    }
    assembly& of = *assemblies_[from];
    const std::lock_guard guard(of.lock);
    const std::uint64_t ours = our_incarnation_.load(std::memory_order_relaxed);
    if (format::load<std::uint64_t>(piece, 8) != ours ||
        format::load<std::uint64_t>(piece, 16) != of.sender_incarnation ||
        format::load<std::uint64_t>(piece, 0) != of.wanted.load(std::memory_order_relaxed)) {
        return false;  // of another life, a repetition, or after a loss: it will come again
    }
    return assemble(from, of, format::load<std::uint32_t>(piece, 24),
                    format::load<std::uint32_t>(piece, 28), piece.subspan(piece_header_bytes));
}

bool message_service::assemble(format::slot_index from, assembly& of, std::uint32_t flags,
                               std::size_t message_bytes,
                               std::span<const std::byte> part) noexcept {
    if ((flags & flag_first) != 0) {
        of.used = 0;
    }
    if (message_bytes > of.message.size() ||
        part.size() > message_bytes - std::min(of.used, message_bytes)) {
        return false;
    }
    format::store_bytes(of.message, of.used, part);
    const std::size_t used = of.used + part.size();
    if ((flags & flag_last) != 0) {
        if (used != message_bytes ||
            !inbox_.put(from + 1U, std::span<const std::byte>(of.message).first(used))) {
            return false;  // the inbox is full: the piece is taken when it comes again
        }
        counts_->add(counter::messages_delivered);
    }
    of.used = used;
    of.wanted.fetch_add(1, std::memory_order_relaxed);
    return true;
}

std::uint64_t message_service::wanted_from(format::slot_index peer) const noexcept {
    return peer < assemblies_.size() && assemblies_[peer]
               ? assemblies_[peer]->wanted.load(std::memory_order_relaxed)
               : 0;
}

std::size_t message_service::memory_bytes() const noexcept {
    return setup_.peers.size() * (setup_.window_bytes * 2 + max_message_bytes) *
           (setup_.window_bytes != 0);
}

}  // namespace diskhb::engine
