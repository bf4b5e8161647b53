// SPDX-License-Identifier: BSD-3-Clause
// A node on a ring: start here. Opens a volume, joins as the node with a given id, and carries
// datagrams and messages between nodes through the volume.
//
//   diskhb::node_options options;
//   options.node_id = 1;
//   options.peers = {2, 3};
//   diskhb::node node("/dev/disk/by-id/...", options);
//   node.start();
//   node.submit(2, diskhb::packet_type::cluster, bytes);      // never waits for the disk
//   auto got = node.receive(buffer, std::chrono::seconds(1));
//
// The format on the volume is described in doc/format.md, the threads in doc/engine.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "diskhb/error.hpp"
#include "diskhb/statistics.hpp"

namespace diskhb {

// The longest datagram, in bytes.
inline constexpr std::size_t max_datagram_bytes = 65536;
// The longest message, in bytes.
inline constexpr std::size_t max_message_bytes = 1 << 20;
// Destination: every other node.
inline constexpr std::uint32_t every_node = 0;

// Each type has a queue of its own; a flush takes control first, then cluster, then bulk, then a
// share of routed.
enum class packet_type : std::uint8_t {
    control,  // the link's own: pings, echo, acknowledgements
    cluster,  // Corosync's traffic, messages
    bulk,     // everything else between the nodes
    routed,   // what a node carries for programs of another (node_options::routed_queue_bytes)
};
inline constexpr std::size_t packet_type_count = 4;

// Device I/O by io_uring, by pread and pwrite, or whichever suits the volume.
enum class io_backend { automatic, uring, posix };

// A volume that is a copy of the one some peers write to: they are read there.
struct receive_volume {
    std::string path;
    std::vector<std::uint32_t> nodes;
};

struct node_options {
    std::uint32_t node_id = 0;         // ours, 1 .. slots of the volume
    std::vector<std::uint32_t> peers;  // the other nodes' ids; only these are read
    // Peers that are not named here are read from the volume that we write to.
    std::vector<receive_volume> receive_from;
    std::string cluster_name;  // the volume must carry it; empty: any
    io_backend backend = io_backend::automatic;

    // A frame older than this is dropped, by the sender and by the receiver. 1 ms .. 10 s.
    std::chrono::nanoseconds ttl = std::chrono::milliseconds(200);
    // A table block is written at least this often. 5 ms .. 10 s.
    std::chrono::nanoseconds beat_interval = std::chrono::milliseconds(100);
    // A peer without a new beat for this long is silent. At least 3 beats.
    std::chrono::nanoseconds peer_timeout = std::chrono::milliseconds(1000);
    // A peer that takes longer to read what we wrote for it is late. 1 ms .. 60 s; 0: none.
    std::chrono::nanoseconds read_deadline{0};
    // How often the node table is read when nothing happens. 100 us .. 1 s.
    std::chrono::nanoseconds poll_idle = std::chrono::milliseconds(10);
    // The least time from one read to the next while data flows, and for how long after the last
    // frame. A slower volume is read back to back; 0 does so on any.
    std::chrono::nanoseconds poll_hot = std::chrono::microseconds(30);
    std::chrono::nanoseconds hot_time = std::chrono::milliseconds(2);
    // A flush happens at once when nothing is in flight. When this is off, frames gather until
    // they fill fill_bytes or the oldest is flush_deadline old.
    bool flush_when_idle = true;
    std::size_t fill_bytes = 256 * 1024;
    std::chrono::nanoseconds flush_deadline = std::chrono::milliseconds(1);

    // Memory, all taken at start.
    std::size_t queue_bytes = 8 << 20;           // for each packet type but routed
    std::size_t routed_queue_bytes = 0;          // for routed; 0: none are taken (full)
    std::size_t routed_flush_bytes = 128 << 10;  // the most of routed in a write; 80 KiB or more
    std::size_t batch_bytes = 1 << 20;           // the largest single write
    std::size_t receive_bytes = 8 << 20;         // what receive() may be behind; 0 with on_datagram
    std::size_t message_window_bytes = 4 << 20;  // unread messages to one peer

    // When set, called for each datagram instead of queueing it for receive(): on a receiver's
    // thread, by one at a time; must not block, must not throw.
    std::function<void(std::uint32_t from, std::span<const std::byte> payload)> on_datagram;
};

struct received {
    std::uint32_t from = 0;      // the sender's node id
    std::size_t size_bytes = 0;  // filled in the caller's buffer
};

// All functions may be called from any thread, unless they say otherwise.
class node {
  public:
    // volume_path: the send volume, which this node writes to. Throws setup_error for options out
    // of range. No volume need be there yet.
    node(std::string volume_path, node_options options);
    ~node();  // stops
    node(const node&) = delete;
    node& operator=(const node&) = delete;

    // Starts the flusher and the receivers. They join as soon as the volume is there.
    void start();
    // Says good-bye on the volume and ends the threads; waits at most `patience` for the device,
    // then leaves a thread that hangs in it behind. Called once, by the thread that owns the node.
    void stop(std::chrono::nanoseconds patience = std::chrono::seconds(1));

    // Puts one datagram into the queue of its type. Never waits for the disk. Delivered at most
    // once and in order for each type, or lost and counted. Errors: full, too_long, no_such_node,
    // not_joined, closed.
    boost::system::error_code submit(std::uint32_t to, packet_type type,
                                     std::span<const std::byte> payload) noexcept;
    // Takes the next datagram. Errors: timed_out, closed, too_long (the buffer is too small; the
    // datagram stays). Not with on_datagram.
    result<received> receive(std::span<std::byte> buffer,
                             std::chrono::nanoseconds timeout) noexcept;

    // Reliable and ordered between two live nodes: a message that was accepted is delivered once
    // and in order unless either node restarts. Errors: window_shut (try again after the peer has
    // read), not_reachable, too_long, no_such_node, closed.
    boost::system::error_code send_message(std::uint32_t to,
                                           std::span<const std::byte> payload) noexcept;
    result<received> receive_message(std::span<std::byte> buffer,
                                     std::chrono::nanoseconds timeout) noexcept;

    // The round trip to a peer's engine over the volume and back. One frame each way, never sent
    // again: as any datagram it may be lost under a flood. Errors: timed_out, no_such_node,
    // not_joined, closed.
    result<std::chrono::nanoseconds> echo(std::uint32_t to,
                                          std::chrono::nanoseconds timeout) noexcept;

    // A snapshot; takes short locks only.
    diskhb::statistics statistics() const;

  private:
    class implementation;
    std::shared_ptr<implementation> implementation_;
};

}  // namespace diskhb
