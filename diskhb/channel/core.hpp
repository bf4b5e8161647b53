// SPDX-License-Identifier: BSD-3-Clause
// One channel's sockets, thread and locks around its session, which decides. Sockets are opened,
// read and closed on the host's thread alone; they are written to by whoever has something to send,
// so that a message needs no other thread to wake up: frames are taken under the lock and written
// without it, by one thread at a time, which takes along what others add meanwhile.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "channel/connector.hpp"
#include "channel/frame_buffer.hpp"
#include "channel/frame_writer.hpp"
#include "channel/host.hpp"
#include "channel/session.hpp"

namespace diskhb::channels {

struct connection {
    connection(tcp::socket taken, path on)
        : socket(std::move(taken)), descriptor(socket.native_handle()), which(on) {}
    tcp::socket socket;
    int descriptor;  // of the socket
    path which;
    frame_buffer in;   // the host's thread
    frame_writer out;  // whoever has set is_writing
    // Under the lock; is_open is set on the host's thread.
    bool is_open = true;
    bool is_writing = false;   // a thread writes; it closes the socket if that is not open any more
    bool write_waits = false;  // for the socket to take more
    bool abort = false;        // how to close it then
};

class core : public std::enable_shared_from_this<core> {
  public:
    core(channel_host::implementation& host, channel_options options);
    // Once, after the constructor.
    void start();
    // No callback runs after it. Not on the host's thread.
    void stop();

    boost::system::error_code send(std::span<const std::byte> message,
                                   std::chrono::nanoseconds timeout);
    result<std::size_t> receive(std::span<std::byte> buffer, std::chrono::nanoseconds timeout);
    boost::system::error_code flush(std::chrono::nanoseconds timeout);
    channel_statistics statistics() const;

    // -- the host's thread
    // The peer has connected and said hello: says our hello, which it is to answer.
    bool answer(path which, tcp::socket& socket);
    // It has answered. Takes the socket, or false if it is not welcome.
    bool welcome(path which, tcp::socket& socket, const hello& theirs);

  private:
    struct arrived {
        std::vector<std::byte> bytes;
        std::uint64_t of_restarts = 0;
    };
    using locked = std::unique_lock<std::mutex>;

    bool attach(path which, tcp::socket& socket, const hello& theirs);
    void make_connectors();
    hello our_hello(path which) const;  // under the lock, as the next four
    void close_connection(path which, bool abort);
    void lose(path which);
    void connect_again(path which);
    void expect_bytes(const std::shared_ptr<connection>& from);
    void on_bytes(const std::shared_ptr<connection>& from, std::size_t got, std::size_t most);
    bool take_frames(connection& from, locked& guard);
    void deliver(std::span<const std::byte> message, locked& guard);
    void pump(path which, locked& guard);  // any thread; unlocks while it writes
    void expect_room(const std::shared_ptr<connection>& to);
    void on_timer();
    void arm_timer();
    void settle(locked& guard);  // writes what is due, then tells what happened, unlocked

    channel_host::implementation& host_;  // lives longer than its thread runs ours
    channel_options options_;
    channel_key key_;
    bool connects_ = false;  // or is connected to

    mutable std::mutex lock_;
    session session_;
    std::array<std::shared_ptr<connection>, path_count> connections_;
    std::deque<arrived> inbox_;
    std::condition_variable inbox_changed_;
    std::condition_variable outbox_changed_;
    std::size_t outbox_waiters_ = 0;
    std::uint64_t malformed_ = 0;
    bool is_closed_ = false;

    boost::asio::steady_timer timer_;
    std::array<std::shared_ptr<connector>, path_count> connectors_;
};

}  // namespace diskhb::channels

namespace diskhb {

class channel::implementation : public channels::core {
  public:
    using core::core;
};

}  // namespace diskhb
