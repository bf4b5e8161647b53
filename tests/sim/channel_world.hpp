// SPDX-License-Identifier: BSD-3-Clause
// What the simulation of a channel is made of: virtual time, connections as pairs of byte streams,
// and an end with its session and its application.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>

#include "channel/frame_buffer.hpp"
#include "channel/session.hpp"
#include "channel_simulation.hpp"
#include "io/sim_random.hpp"

namespace diskhb::sim {

using channels::path;

class timeline {
  public:
    std::uint64_t now_ns() const noexcept { return now_ns_; }
    void at(std::uint64_t when_ns, std::function<void()> what) {
        events_.push({std::max(when_ns, now_ns_), next_++, std::move(what)});
    }
    void after(std::uint64_t delay_ns, std::function<void()> what) {
        at(now_ns_ + delay_ns, std::move(what));
    }
    void run_until(std::uint64_t end_ns);

  private:
    struct event {
        std::uint64_t when_ns;
        std::uint64_t number;
        std::function<void()> what;
        bool operator<(const event& other) const noexcept {
            return when_ns != other.when_ns ? when_ns > other.when_ns : number > other.number;
        }
    };
    std::uint64_t now_ns_ = 1'000'000'000;
    std::uint64_t next_ = 0;
    std::priority_queue<event> events_;
};

struct road {  // one path, both ways: [0] from end 0 to end 1
    std::array<bool, 2> is_cut{};
    std::uint64_t latency_ns = 0;
    std::uint64_t jitter_ns = 0;
    std::uint64_t bytes_per_ms = 0;
    double flip_chance = 0;  // for each chunk
};

class channel_end;

// A connection as TCP gives it: bytes in order, held back while the way is cut.
struct sim_connection {
    path which = path::network;
    struct stream {
        struct chunk {
            std::vector<std::byte> bytes;
            std::uint64_t arrival_ns = 0;
        };
        std::deque<chunk> chunks;
        std::size_t bytes = 0;
        std::uint64_t arrival_ns = 0;  // of the last chunk
        bool is_delivering = false;
    };
    std::array<stream, 2> streams;            // by the end that writes
    std::array<bool, 2> is_open{true, true};  // by end
};

class channel_world {
  public:
    explicit channel_world(std::uint64_t seed) : random(seed) {}

    // Takes a prefix of the bytes; returns how many.
    std::size_t write(const std::shared_ptr<sim_connection>& to, int from,
                      std::span<const std::byte> bytes);
    // An end closes: the other one learns of it if the way there is open, or when it writes.
    void close(const std::shared_ptr<sim_connection>& what, int by);
    void cut(path which, int direction, bool is_cut);
    void violate(std::string text);
    void count(channel_fault which) { ++result.faults.at(static_cast<std::size_t>(which)); }
    void trace(std::uint64_t value) { result.trace_hash = io::mix(result.trace_hash ^ value); }

    timeline time;
    io::sim_random random;
    std::array<road, channels::path_count> roads;
    std::array<std::unique_ptr<channel_end>, 2> ends;
    std::map<const sim_connection*, std::weak_ptr<sim_connection>> connections;
    std::size_t socket_bytes = 64 * 1024;
    channel_outcome result;

  private:
    void deliver(const std::shared_ptr<sim_connection>& on, int from);
    void schedule(const std::shared_ptr<sim_connection>& on, int from);
};

struct end_settings {
    std::uint64_t heartbeat_ns = 0;
    std::uint64_t window_bytes = 0;
    double clock_rate = 1;
    std::uint64_t take_ns = 0;  // how long the application takes for a message; 0: at once
    std::uint64_t send_ns = 0;  // between two messages
    std::size_t message_bytes_most = 0;
    bool fills_window = false;  // before there is a connection
};

// Number 1 connects to number 0, as the end with the greater name does.
class channel_end {
  public:
    channel_end(channel_world& world, int number, const end_settings& settings);

    void start();
    void restart();
    void freeze(std::uint64_t for_ns);
    void stop_sending() { sends_ = false; }
    void accept(const std::shared_ptr<sim_connection>& from);
    void on_closed(const std::shared_ptr<sim_connection>& on);
    void on_room(const std::shared_ptr<sim_connection>& on);
    void reset(path which);
    std::optional<path> active() const { return session_->active(); }
    const channels::session& session() const { return *session_; }
    std::uint64_t heartbeat_ns() const { return settings_.heartbeat_ns; }
    void check_settled();
    const std::deque<channels::hello>& former() const { return former_; }

    // When the last message came, and the longest pause since that was asked.
    std::uint64_t last_came_ns = 0;
    std::uint64_t longest_pause_ns = 0;

  private:
    struct held {  // our end of a connection
        std::shared_ptr<sim_connection> link;
        channels::frame_buffer in;
        std::vector<std::byte> hello_bytes;
        bool has_answered = false;  // the first hello of who connected to us
        bool is_greeted = false;
        std::vector<std::byte> unwritten;
    };
    struct arrived {
        std::vector<std::byte> bytes;
        std::uint64_t restarts = 0;
    };
    std::uint64_t local_ns() const;
    void begin_life();
    void tick(std::uint64_t life);
    void send_next(std::uint64_t life);
    boost::system::error_code send_one();
    void take_next(std::uint64_t life);
    void connect(path which, std::uint64_t life);
    void lose(path which);
    void close_held(path which);
    void take_bytes(held& from, std::vector<std::byte>& bytes);
    bool take_hello(held& from, std::span<const std::byte>& bytes);
    bool greet(held& with, const channels::hello& theirs);
    bool take_frames(held& from);
    void take(std::span<const std::byte> message);
    void pump();
    void pump(held& to);
    void settle();
    channels::hello our_hello(path which) const;
    held* holder_of(const sim_connection* link);
    // Runs it now or, frozen, when we have thawed, in the order of the calls; not at all in another
    // life.
    void when_awake(std::uint64_t life, std::function<void()> what);
    void thaw();

    channel_world& world_;
    int us_;
    end_settings settings_;
    std::uint64_t life_ = 0;
    std::unique_ptr<channels::session> session_;
    std::array<std::unique_ptr<held>, channels::path_count> held_;
    std::vector<std::unique_ptr<held>> strangers_;
    std::deque<arrived> inbox_;
    bool is_taking_ = false;
    bool sends_ = true;
    std::uint64_t thaws_ns_ = 0;
    struct deferred {
        std::uint64_t life = 0;
        std::function<void()> what;
    };
    std::deque<deferred> deferred_;
    std::uint64_t number_ = 0;     // of our next message in this life
    std::uint64_t first_due_ = 0;  // the first that the present other life must get
    std::deque<channels::hello> former_;

    // What came: by the sender's life, the next number; and how many may be missing before it.
    struct book {
        std::uint64_t next = 0;
        std::uint64_t our_life = 0;
    };
    std::map<std::uint64_t, book> books_;

    friend class channel_world;
};

}  // namespace diskhb::sim
