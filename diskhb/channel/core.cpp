// SPDX-License-Identifier: BSD-3-Clause
#include "channel/core.hpp"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <future>
#include <random>

namespace diskhb::channels {
namespace {

using std::chrono::nanoseconds;

// Reads of one connection before others and the timer have their turn.
constexpr int reads_in_a_row = 16;
// An attempt to connect takes return_beats heartbeats, within these.
constexpr nanoseconds attempt_time_min = std::chrono::milliseconds(200);
constexpr nanoseconds attempt_time_max = std::chrono::seconds(2);

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

std::uint64_t new_life() {
    std::random_device source;
    std::uint64_t life = 0;
    while (life == 0) {
        life = (std::uint64_t{source()} << 32) | source();
    }
    return life;
}

// However long a caller is ready to wait, the sum must not overflow.
std::chrono::steady_clock::time_point deadline_after(nanoseconds timeout) {
    return std::chrono::steady_clock::now() +
           std::min<nanoseconds>(timeout, std::chrono::hours(24 * 365));
}

session_options session_of(const channel_options& options) {
    return {new_life(), static_cast<std::uint64_t>(options.heartbeat.count()),
            options.window_bytes};
}

}  // namespace

core::core(channel_host::implementation& host, channel_options options)
    : host_(host),
      options_(std::move(options)),
      key_{options_.name, {options_.peer.node_id, options_.peer_name}},
      session_(session_of(options_), now_ns()),
      timer_(host_.context()) {
    connects_ = key_.peer < endpoint{host_.options().node_id, options_.name};
}

hello core::our_hello(path which) const {
    hello ours;
    ours.cluster_name = host_.options().cluster_name;
    ours.from = {host_.options().node_id, options_.name};
    ours.to = key_.peer;
    ours.which = which;
    session_.fill(ours);
    return ours;
}

void core::make_connectors() {
    const std::string* const addresses[] = {&options_.peer.network_address,
                                            &options_.peer.volume_address};
    for (const path which : {path::network, path::volume}) {
        const auto& to = *addresses[index_of(which)];
        const auto from = host_.address(which);
        if (to.empty() || !from) {
            continue;
        }
        connector::setup setup;
        setup.to = {parse_address(to, "address"), options_.peer.port};
        setup.from = *from;
        setup.patience = std::clamp<nanoseconds>(return_beats * options_.heartbeat,
                                                 attempt_time_min, attempt_time_max);
        setup.our_hello = [this, which] {
            const std::lock_guard guard(lock_);
            return our_hello(which);
        };
        setup.connected = [this, which](tcp::socket& socket, const hello& theirs) {
            const bool is_meant = theirs.cluster_name == host_.options().cluster_name &&
                                  theirs.from == key_.peer && theirs.which == which &&
                                  theirs.to == endpoint{host_.options().node_id, options_.name};
            return is_meant && attach(which, socket, theirs);
        };
        connectors_[index_of(which)] =
            std::make_shared<connector>(host_.context(), std::move(setup));
    }
}

void core::start() {
    if (connects_) {
        make_connectors();
    }
    host_.add(key_, weak_from_this());
    boost::asio::post(host_.context(), [self = shared_from_this()] {
        for (auto& each : self->connectors_) {
            if (each) {
                each->start();
            }
        }
        self->arm_timer();
    });
}

void core::stop() {
    host_.remove(key_);
    std::promise<void> stopped;
    boost::asio::post(host_.context(), [this, &stopped] {
        timer_.cancel();
        for (auto& each : connectors_) {
            if (each) {
                each->stop();
            }
        }
        {
            locked guard(lock_);
            is_closed_ = true;
            // What was taken is not sent again to the next process.
            session_.owe_acknowledgements();
            pump(path::network, guard);
            pump(path::volume, guard);
            // In this order, so that the other side does not move to the volume for a moment.
            close_connection(path::volume, false);
            close_connection(path::network, false);
            inbox_changed_.notify_all();
            outbox_changed_.notify_all();
        }
        stopped.set_value();
    });
    stopped.get_future().wait();
}

// -- connections

bool core::answer(path which, tcp::socket& socket) {
    const auto& expected =
        which == path::network ? options_.peer.network_address : options_.peer.volume_address;
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (connects_ || error || expected.empty() ||
        remote.address() != parse_address(expected, "address")) {
        return false;
    }
    const std::lock_guard guard(lock_);
    return send_hello(socket, our_hello(which));
}

bool core::welcome(path which, tcp::socket& socket, const hello& theirs) {
    return attach(which, socket, theirs);
}

bool core::attach(path which, tcp::socket& socket, const hello& theirs) {
    locked guard(lock_);
    if (is_closed_ || (!connects_ && !session_.is_answer(theirs))) {
        return false;
    }
    const auto restarts = session_.counted().restarts;
    const auto welcome = session_.on_connected(which, theirs, now_ns());
    if (welcome == session::welcome::refused) {
        return false;
    }
    if (welcome == session::welcome::accepted_alone) {
        close_connection(other(which), true);
        connect_again(other(which));
        // Of lives before the last one nothing is kept: restarts in a row must not fill memory.
        std::erase_if(inbox_, [&](const arrived& each) { return each.of_restarts != restarts; });
    }
    close_connection(which, true);
    // Who has connected answers the other's hello, before any frame.
    if (connects_ && !send_hello(socket, our_hello(which))) {
        session_.on_closed(which);
        settle(guard);
        return false;
    }
    auto added = std::make_shared<connection>(std::move(socket), which);
    connections_[index_of(which)] = added;
    expect_bytes(added);
    settle(guard);
    guard.unlock();
    arm_timer();
    return true;
}

void core::close_connection(path which, bool abort) {
    auto& one = connections_[index_of(which)];
    if (one) {
        one->is_open = false;
        one->abort = abort;
        if (!one->is_writing) {
            one->out = {};  // payloads go under the lock
            close(one->socket, abort);
        }
        one.reset();
    }
}

void core::connect_again(path which) {
    if (const auto& again = connectors_[index_of(which)]) {
        boost::asio::post(host_.context(), [again] { again->start(); });
    }
}

void core::lose(path which) {
    close_connection(which, true);
    session_.on_closed(which);
    connect_again(which);
}

// -- what comes in

// A receive that is under way, and not a wait until there is something: that would cost an
// epoll_ctl(2) for each message, and a wake-up that tells of nothing but room to write.
void core::expect_bytes(const std::shared_ptr<connection>& from) {
    const auto room = from->in.room();
    from->socket.async_receive(boost::asio::buffer(room.data(), room.size()),
                               [self = shared_from_this(), from, most = room.size()](
                                   const boost::system::error_code& error, std::size_t got) {
                                   if (from->is_open) {
                                       self->on_bytes(from, error ? 0 : got, most);
                                   }
                               });
}

// `got` bytes have come where `most` had room; 0: the connection has ended.
void core::on_bytes(const std::shared_ptr<connection>& from, std::size_t got, std::size_t most) {
    locked guard(lock_, std::defer_lock);
    for (int turn = 1;; ++turn) {
        guard.lock();
        bool is_sound = got > 0;
        if (is_sound) {
            from->in.filled(got);
            session_.on_bytes(from->which, got);
            is_sound = take_frames(*from, guard);
        }
        if (!is_sound && from->is_open) {
            lose(from->which);
        }
        settle(guard);
        guard.unlock();
        if (!from->is_open) {
            return;
        }
        if (got < most || turn == reads_in_a_row) {
            break;
        }
        const auto room = from->in.room();
        const auto more =
            ::recv(from->descriptor, room.data(), room.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (more < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            break;
        }
        got = more > 0 ? static_cast<std::size_t>(more) : 0;
        most = room.size();
    }
    expect_bytes(from);
}

bool core::take_frames(connection& from, locked& guard) {
    while (from.is_open) {
        const auto next = from.in.next();
        if (!next) {
            ++malformed_;
            return false;
        }
        if (!*next) {
            if (from.in.has_part_of_message()) {
                session_.on_part_of_message(from.which, now_ns());
            }
            return true;
        }
        const auto& [header, payload] = **next;
        const auto verdict = session_.on_frame(from.which, header, now_ns());
        if (verdict == session::verdict::malformed) {
            ++malformed_;
            return false;
        }
        if (verdict == session::verdict::deliver) {
            deliver(payload, guard);
        }
    }
    return true;
}

void core::deliver(std::span<const std::byte> message, locked& guard) {
    const auto restarts = session_.counted().restarts;
    if (!options_.on_message) {
        inbox_.push_back({{message.begin(), message.end()}, restarts});
        inbox_changed_.notify_one();
        return;
    }
    guard.unlock();
    options_.on_message(message);
    guard.lock();
    session_.on_taken(message.size(), restarts);
}

// -- what goes out

void core::pump(path which, locked& guard) {
    const auto to = connections_[index_of(which)];
    if (!to || !to->is_open || to->write_waits || to->is_writing) {
        return;
    }
    to->is_writing = true;
    auto outcome = frame_writer::outcome::written;
    while (outcome == frame_writer::outcome::written && to->is_open &&
           to->out.fill(session_, which)) {
        guard.unlock();
        outcome = to->out.write(to->descriptor);
        guard.lock();
    }
    to->is_writing = false;
    if (!to->is_open) {
        to->out = {};
        boost::asio::post(host_.context(), [to] { close(to->socket, to->abort); });
        return;
    }
    // A broken connection is found by its reader, too.
    if (outcome == frame_writer::outcome::blocked) {
        to->write_waits = true;
        if (host_.is_our_thread()) {
            expect_room(to);
        } else {
            boost::asio::post(host_.context(),
                              [self = shared_from_this(), to] { self->expect_room(to); });
        }
    }
}

void core::expect_room(const std::shared_ptr<connection>& to) {
    to->socket.async_wait(tcp::socket::wait_write,
                          [self = shared_from_this(), to](const boost::system::error_code& error) {
                              locked guard(self->lock_);
                              to->write_waits = false;
                              if (!error && to->is_open) {
                                  self->pump(to->which, guard);
                              }
                          });
}

void core::settle(locked& guard) {
    pump(path::network, guard);
    pump(path::volume, guard);
    if (outbox_waiters_ > 0) {
        outbox_changed_.notify_all();
    }
    const auto changed = session_.take_path_change();
    const auto given_up = session_.take_restart();
    const bool has_room = options_.on_room && session_.take_room();
    if (!changed && !given_up && !has_room) {
        return;
    }
    guard.unlock();
    if (given_up && options_.on_peer_restart) {
        options_.on_peer_restart(*given_up);
    }
    if (changed && options_.on_path) {
        options_.on_path(!*changed                    ? channel_path::none
                         : **changed == path::network ? channel_path::network
                                                      : channel_path::volume);
    }
    if (has_room) {
        options_.on_room();
    }
    guard.lock();
}

// -- time

void core::arm_timer() {
    const std::lock_guard guard(lock_);
    if (is_closed_) {
        return;
    }
    const auto next = session_.next_time_ns();
    timer_.expires_at(std::chrono::steady_clock::time_point(nanoseconds(next)));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            self->on_timer();
        }
    });
}

void core::on_timer() {
    locked guard(lock_);
    const auto given_up = session_.on_time(now_ns());
    for (const path which : {path::network, path::volume}) {
        if (given_up[index_of(which)]) {
            lose(which);
        }
    }
    settle(guard);
    guard.unlock();
    arm_timer();
}

// -- the application

boost::system::error_code core::send(std::span<const std::byte> message, nanoseconds timeout) {
    locked guard(lock_);
    const bool may_wait = timeout > nanoseconds::zero() && !host_.is_our_thread();
    const auto deadline = deadline_after(timeout);
    while (true) {
        if (is_closed_) {
            return errc::closed;
        }
        const auto error = session_.add(message);
        if (!error) {
            if (const auto active = session_.active()) {
                pump(*active, guard);
            }
            return {};
        }
        if (error != errc::window_shut || !may_wait) {
            return error;
        }
        ++outbox_waiters_;
        const auto woken = outbox_changed_.wait_until(guard, deadline);
        --outbox_waiters_;
        if (woken == std::cv_status::timeout) {
            return error;
        }
    }
}

result<std::size_t> core::receive(std::span<std::byte> buffer, nanoseconds timeout) {
    locked guard(lock_);
    const auto deadline = deadline_after(timeout);
    const bool came =
        inbox_changed_.wait_until(guard, deadline, [&] { return is_closed_ || !inbox_.empty(); });
    if (!came) {
        return errc::timed_out;
    }
    if (inbox_.empty()) {
        return errc::closed;
    }
    const auto& oldest = inbox_.front();
    const auto size = oldest.bytes.size();
    if (size > buffer.size()) {
        return errc::too_long;
    }
    std::copy(oldest.bytes.begin(), oldest.bytes.end(), buffer.begin());
    session_.on_taken(size, oldest.of_restarts);
    inbox_.pop_front();
    if (const auto active = session_.active(); active && session_.has_output(*active)) {
        pump(*active, guard);
    }
    return size;
}

boost::system::error_code core::flush(nanoseconds timeout) {
    locked guard(lock_);
    const auto restarts = session_.counted().restarts;
    const auto deadline = deadline_after(timeout);
    ++outbox_waiters_;
    const bool ended = outbox_changed_.wait_until(guard, deadline, [&] {
        return is_closed_ || session_.waiting() == 0 || session_.counted().restarts != restarts;
    });
    --outbox_waiters_;
    if (session_.counted().restarts != restarts) {
        return errc::not_reachable;
    }
    if (session_.waiting() == 0) {
        return {};
    }
    return ended ? errc::closed : errc::timed_out;
}

channel_statistics core::statistics() const {
    const std::lock_guard guard(lock_);
    const auto& counted = session_.counted();
    channel_statistics all;
    if (const auto active = session_.active()) {
        all.path = *active == path::network ? channel_path::network : channel_path::volume;
    }
    all.network_connected = session_.is_connected(path::network);
    all.volume_connected = session_.is_connected(path::volume);
    all.messages_sent = counted.sent;
    all.messages_delivered = counted.delivered;
    all.messages_resent = counted.resent;
    all.duplicates_dropped = counted.duplicates;
    all.messages_waiting = session_.waiting();
    all.path_changes = counted.path_changes;
    all.silences = counted.silences;
    all.malformed = malformed_;
    all.peer_restarts = counted.restarts;
    return all;
}

}  // namespace diskhb::channels
