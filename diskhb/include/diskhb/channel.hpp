// SPDX-License-Identifier: BSD-3-Clause
// Messages between two named endpoints on two nodes: over the network while it carries them, over
// the shared volume when it does not, and back. Whatever the network does, each message is
// delivered once and in order, unless one of the two processes ends.
//
//   diskhb::channel_host host({.cluster_name = "prod", .node_id = 1,
//                              .network_address = "10.0.0.1", .volume_address = "10.255.77.1"});
//   diskhb::channel_options options;
//   options.name = "orders";
//   options.peer_name = "stock";
//   options.peer = {2, "10.0.0.2", "10.255.77.2"};
//   diskhb::channel to_stock(host, options);
//   to_stock.send(bytes, std::chrono::seconds(1));
//   auto size = to_stock.receive(buffer, std::chrono::seconds(1));
//
// The volume is reached by the IP addresses of the ring that diskhbd runs. doc/channel.md tells how
// it works, what is on the wire, what is not protected and what was measured: 1,000,000 messages
// each way through 50 cuts of the network, none lost, doubled or out of order, each cut over within
// three heartbeats.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "diskhb/error.hpp"
#include "diskhb/node.hpp"

namespace diskhb {

inline constexpr std::uint16_t channel_port_default = 5421;  // TCP

enum class channel_path : std::uint8_t { none, network, volume };
// "none", "network", "volume".
const char* channel_path_name(channel_path path) noexcept;

// One for each process and port: it listens, and its thread moves the bytes of all its channels.
struct channel_host_options {
    std::string cluster_name;     // 1 .. 255 bytes; both ends must have the same
    std::uint32_t node_id = 0;    // ours, not 0
    std::string network_address;  // ours, as a number; need not be there yet
    std::string volume_address;   // ours on the ring; empty: no volume
    std::uint16_t port = channel_port_default;
};

class channel_host {
  public:
    // Listens and starts the thread. Throws setup_error: exit_config for an option that is none,
    // exit_in_use if somebody listens there.
    explicit channel_host(channel_host_options options);
    // The channels must be gone.
    ~channel_host();
    channel_host(const channel_host&) = delete;
    channel_host& operator=(const channel_host&) = delete;

    // Connections refused: another cluster, an endpoint that is not here, or no hello at all.
    std::uint64_t refused() const noexcept;

    class implementation;

  private:
    friend class channel;
    std::unique_ptr<implementation> implementation_;
};

struct channel_peer {
    std::uint32_t node_id = 0;
    std::string network_address;
    std::string volume_address;  // empty: no volume
    std::uint16_t port = channel_port_default;
};

struct channel_options {
    std::string name;       // of our endpoint, 1 .. 255 bytes
    std::string peer_name;  // of the other one; the two names may be the same
    channel_peer peer;

    // How often something is sent on each path. The network is given up after two of them without a
    // sign that the other side hears us; the longer one of both sides counts. 5 ms .. 10 s.
    std::chrono::nanoseconds heartbeat = std::chrono::milliseconds(100);
    // How much may be sent and not yet taken by the other side's application; the lesser of both
    // sides counts. A message counts as its size and 64 bytes. 2 MiB .. 1 GiB.
    std::size_t window_bytes = 4 << 20;

    // All are called on the host's thread, by one at a time; they must not block, throw or end the
    // channel. They may send.
    //
    // Set: called for each message instead of keeping it for receive(). What it returns from has
    // been taken.
    std::function<void(std::span<const std::byte> message)> on_message;
    std::function<void(channel_path now)> on_path;  // which path we send on has changed
    // The process at the other end is a new one. So many of our messages were not taken by the
    // former one for certain; they are given up.
    std::function<void(std::uint64_t given_up)> on_peer_restart;
    std::function<void()> on_room;  // send() said window_shut, and there is room again
};

struct channel_statistics {
    channel_path path = channel_path::none;  // that we send on
    bool network_connected = false;
    bool volume_connected = false;
    std::uint64_t messages_sent = 0;       // accepted by send()
    std::uint64_t messages_delivered = 0;  // taken by our application
    std::uint64_t messages_resent = 0;     // sent again after the path changed
    std::uint64_t duplicates_dropped = 0;  // came by both paths
    std::uint64_t messages_waiting = 0;    // sent and not yet taken at the other end
    std::uint64_t path_changes = 0;
    std::uint64_t silences = 0;       // paths given up since nothing was heard
    std::uint64_t malformed = 0;      // connections ended for bytes that make no sense
    std::uint64_t peer_restarts = 0;  // other lives of the process at the other end
};

// All functions may be called from any thread, unless they say otherwise.
class channel {
  public:
    // Throws setup_error(exit_config) for options out of range, exit_in_use if the host has a
    // channel between these two endpoints already. Connects when the peer is there.
    channel(channel_host& host, channel_options options);
    // Messages that wait are given up: flush() first. Not from a callback.
    ~channel();
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    // Accepts a message of up to max_message_bytes, also while there is no path. Waits so long for
    // room (in a callback: never). Errors: window_shut, too_long, closed.
    boost::system::error_code send(std::span<const std::byte> message,
                                   std::chrono::nanoseconds timeout = {}) noexcept;
    // The size of the next message, copied into the buffer. Errors: timed_out, closed, too_long
    // (the buffer is too small; the message stays). Not with on_message.
    result<std::size_t> receive(std::span<std::byte> buffer,
                                std::chrono::nanoseconds timeout) noexcept;
    // Waits until the other side's application has taken all that was sent. Errors: timed_out,
    // closed. Not from a callback.
    boost::system::error_code flush(std::chrono::nanoseconds timeout) noexcept;

    channel_path path() const noexcept;
    channel_statistics statistics() const;

    class implementation;

  private:
    std::shared_ptr<implementation> implementation_;
};

}  // namespace diskhb
