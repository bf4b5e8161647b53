// SPDX-License-Identifier: BSD-3-Clause
#include "channel/session.hpp"

#include <algorithm>
#include <utility>

#include "format/assert.hpp"

namespace diskhb::channels {

session::session(session_options options, std::uint64_t now_ns)
    : options_(options), heartbeat_ns_(options.heartbeat_ns), last_time_ns_(now_ns) {
    DISKHB_ASSERT(options.life != 0 && options.heartbeat_ns != 0 &&
                  options.window_bytes >= window_bytes_min);
}

std::uint64_t session::window() const noexcept {
    return peer_window_ == 0 ? options_.window_bytes
                             : std::min(options_.window_bytes, peer_window_);
}

boost::system::error_code session::add(std::span<const std::byte> message) {
    if (message.size() > max_message_bytes) {
        return errc::too_long;
    }
    if (outbox_bytes_ + message.size() + message_overhead_bytes > window()) {
        was_refused_ = true;
        return errc::window_shut;
    }
    outbox_.push_back(payloads_.copy(message));
    outbox_bytes_ += message.size() + message_overhead_bytes;
    ++counts_.sent;
    return {};
}

void session::on_taken(std::size_t message_bytes, std::uint64_t of_restarts) noexcept {
    if (of_restarts != counts_.restarts || taken_ == expected_) {
        return;
    }
    ++taken_;
    ++counts_.delivered;
    const auto size = message_bytes + message_overhead_bytes;
    untaken_bytes_ -= std::min<std::uint64_t>(untaken_bytes_, size);
    taken_unsaid_bytes_ += size;
}

void session::fill(hello& ours) const noexcept {
    ours.life = options_.life;
    ours.known_life = peer_life_;
    ours.wanted = taken_;
    ours.window_bytes = options_.window_bytes;
    ours.heartbeat_us = static_cast<std::uint32_t>(options_.heartbeat_ns / 1000);
}

session::welcome session::on_connected(path which, const hello& theirs, std::uint64_t now_ns) {
    const bool is_new = theirs.life != peer_life_;
    // Of two processes that both say to be the other side, the one that we hear is.
    const bool is_taken = is_new && (is_usable(path::network) || is_usable(path::volume));
    if (is_taken || theirs.life == options_.life || theirs.window_bytes < window_bytes_min) {
        return welcome::refused;
    }
    auto answer = welcome::accepted;
    if (is_new && peer_life_ != 0) {
        forget_peer();
        answer = welcome::accepted_alone;
    }
    peer_life_ = theirs.life;
    if (theirs.known_life == options_.life && !release(theirs.wanted)) {
        return welcome::refused;
    }
    peer_window_ = theirs.window_bytes;
    heartbeat_ns_ =
        std::max(options_.heartbeat_ns, std::uint64_t{theirs.heartbeat_us} * std::uint64_t{1000});
    auto& fresh = at(which) = link();
    fresh.is_connected = true;
    fresh.proven_ns = now_ns;
    fresh.next_beat_ns = now_ns;
    if (active_ == which) {
        use(std::nullopt);  // another connection of the same path: all is to be sent again
    }
    choose();
    return answer;
}

void session::forget_peer() {
    // What the former life was sent may have been taken: sent to the new one it could come twice.
    restart_ = restart_.value_or(0) + outbox_.size();
    ++counts_.restarts;
    outbox_.clear();
    outbox_bytes_ = flight_bytes_ = 0;
    base_ = sent_ = high_ = 0;
    expected_ = taken_ = 0;
    untaken_bytes_ = taken_unsaid_bytes_ = 0;
    links_ = {};
    use(std::nullopt);
}

void session::on_closed(path which) {
    network_was_lost_ |= which == path::network && at(which).is_connected;
    at(which) = link();
    choose();
}

void session::prove(link& which, std::uint64_t now_ns) noexcept {
    which.proven_ns = now_ns;
    which.silent_ns = 0;
}

void session::on_bytes(path which, std::size_t bytes) noexcept {
    at(which).received_bytes += bytes;
}

void session::on_part_of_message(path which, std::uint64_t now_ns) noexcept {
    prove(at(which), now_ns);
}

bool session::release(std::uint64_t wanted) noexcept {
    if (wanted > high_) {
        return false;
    }
    while (base_ < wanted) {
        const auto size = outbox_.front().size + message_overhead_bytes;
        outbox_bytes_ -= size;
        flight_bytes_ -= base_ < sent_ ? size : 0;
        outbox_.pop_front();
        ++base_;
    }
    sent_ = std::max(sent_, base_);
    return true;
}

session::verdict session::on_frame(path which, const frame_header& frame,
                                   std::uint64_t now_ns) noexcept {
    auto& from = at(which);
    if (!from.is_connected || frame.received_bytes > from.sent_bytes ||
        frame.received_bytes < from.heard_bytes || !release(frame.wanted)) {
        return verdict::malformed;
    }
    if (frame.received_bytes > from.heard_bytes) {
        from.heard_bytes = frame.received_bytes;
        prove(from, now_ns);
    }
    if (frame.kind == frame_kind::beat) {
        from.answer_owed = true;
        return verdict::nothing;
    }
    if (frame.kind == frame_kind::answer) {
        return verdict::nothing;
    }
    // On a slow path messages may be so long in coming, or so many may have been handed to TCP at
    // one instant, that no beat gets through for long. But TCP brings no more than it has in flight
    // unless our acknowledgements get through.
    prove(from, now_ns);
    if (frame.sequence < expected_) {
        ++counts_.duplicates;
        return verdict::nothing;
    }
    const auto size = frame.length_bytes + message_overhead_bytes;
    if (frame.sequence > expected_ || untaken_bytes_ + size > options_.window_bytes) {
        return verdict::malformed;
    }
    ++expected_;
    untaken_bytes_ += size;
    return verdict::deliver;
}

bool session::is_usable(path which) const noexcept {
    const auto& one = at(which);
    return one.is_connected && one.silent_ns < silence_beats * heartbeat_ns_;
}

void session::choose() noexcept {
    const bool network = is_usable(path::network);
    const bool volume = is_usable(path::volume);
    if (active_ == path::network && network) {
        return;
    }
    if (active_ == path::volume && at(path::volume).is_connected) {
        const bool steady =
            !network_was_lost_ || at(path::network).steady_ns >= return_beats * heartbeat_ns_;
        // A volume that hesitates is kept when there is nothing else.
        if (network && (steady || !volume)) {
            use(path::network);
        }
        return;
    }
    use(network  ? std::optional(path::network)
        : volume ? std::optional(path::volume)
                 : std::nullopt);
}

void session::use(std::optional<path> which) noexcept {
    if (which == active_) {
        return;
    }
    active_ = which;
    path_changed_ = true;
    if (which) {
        ++counts_.path_changes;
        counts_.resent += sent_ - base_;
        sent_ = base_;
        flight_bytes_ = 0;
    }
}

std::array<bool, path_count> session::on_time(std::uint64_t now_ns) {
    std::array<bool, path_count> given_up{};
    for (const path which : {path::network, path::volume}) {
        auto& one = at(which);
        if (!one.is_connected) {
            continue;
        }
        // Time in which this process did not run is no silence of the other.
        const auto since = std::max(last_time_ns_, one.proven_ns);
        const auto passed = std::min(now_ns - std::min(now_ns, since), heartbeat_ns_ / 2);
        one.silent_ns += passed;
        const auto awake = std::min(now_ns - std::min(now_ns, last_time_ns_), heartbeat_ns_ / 2);
        one.steady_ns = one.silent_ns > heartbeat_ns_ * 3 / 2 ? 0 : one.steady_ns + awake;
        const auto limit = which == path::network ? silence_beats : volume_silence_beats;
        if (one.silent_ns >= limit * heartbeat_ns_) {
            given_up[index_of(which)] = true;
            ++counts_.silences;
        }
        if (now_ns >= one.next_beat_ns) {
            one.beat_owed = true;
            one.next_beat_ns = now_ns + options_.heartbeat_ns;
        }
        if (one.told_wanted != taken_ && (!active_ || active_ == which)) {
            one.answer_owed = true;
        }
    }
    last_time_ns_ = now_ns;
    choose();
    return given_up;
}

std::uint64_t session::next_time_ns() const noexcept {
    auto next = last_time_ns_ + heartbeat_ns_ / 4;
    for (const path which : {path::network, path::volume}) {
        const auto& one = at(which);
        if (one.is_connected) {
            const auto limit = silence_beats * heartbeat_ns_;
            const auto rest = limit - std::min(limit, one.silent_ns);
            next = std::min(next, last_time_ns_ + std::max(rest, heartbeat_ns_ / 32));
            next = std::min(next, std::max(one.next_beat_ns, last_time_ns_ + 1));
        }
    }
    return next;
}

bool session::may_send_next() const noexcept {
    const auto next = sent_ - base_;
    return next < outbox_.size() &&
           flight_bytes_ + outbox_[next].size + message_overhead_bytes <= window();
}

bool session::owes_acknowledgement(path which) const noexcept {
    return active_ == which && taken_unsaid_bytes_ >= window() / 4;
}

void session::owe_acknowledgements() noexcept {
    for (auto& one : links_) {
        one.answer_owed = one.is_connected;
    }
}

bool session::has_output(path which) const noexcept {
    const auto& one = at(which);
    return one.is_connected && (one.beat_owed || one.answer_owed || owes_acknowledgement(which) ||
                                (active_ == which && may_send_next()));
}

std::optional<outgoing> session::next_output(path which) {
    if (!has_output(which)) {
        return std::nullopt;
    }
    auto& to = at(which);
    frame_header header;
    outgoing frame;
    if (to.beat_owed) {
        header.kind = frame_kind::beat;
        to.beat_owed = false;
    } else if (active_ == which && may_send_next()) {
        const auto& next = outbox_[sent_ - base_];
        header.kind = frame_kind::message;
        header.sequence = sent_;
        header.length_bytes = static_cast<std::uint32_t>(next.size);
        header.payload_crc = next.crc;
        frame.payload = next.bytes;
        frame.payload_bytes = next.size;
        ++sent_;
        flight_bytes_ += next.size + message_overhead_bytes;
        high_ = std::max(high_, sent_);
    } else {
        header.kind = frame_kind::answer;
    }
    header.wanted = taken_;
    header.received_bytes = to.received_bytes;
    to.answer_owed = false;
    to.told_wanted = taken_;
    taken_unsaid_bytes_ = 0;
    to.sent_bytes += frame_header_bytes + frame.payload_bytes;
    frame.header = encode_header(header);
    return frame;
}

std::optional<std::optional<path>> session::take_path_change() noexcept {
    if (!path_changed_) {
        return std::nullopt;
    }
    path_changed_ = false;
    return active_;
}

std::optional<std::uint64_t> session::take_restart() noexcept {
    return std::exchange(restart_, std::nullopt);
}

bool session::take_room() noexcept {
    if (!was_refused_ || outbox_bytes_ + max_message_bytes + message_overhead_bytes > window()) {
        return false;
    }
    was_refused_ = false;
    return true;
}

}  // namespace diskhb::channels
