// SPDX-License-Identifier: BSD-3-Clause
// A node of the simulation: its clock, its Corosync as far as quorum goes, and a daemon around the
// lease with two threads, one for the lease and its I/O and one for votequorum. Each can hang.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/sim_device.hpp"
#include "plugin/quorum/lease.hpp"
#include "votequorum_stand_in.hpp"

namespace diskhb::quorum_sim {

using quorum::milliseconds;

// What all machines have in common.
struct settings {
    format::geometry measures;
    format::uuid cluster{};
    quorum::timings times;           // as the lease is told
    milliseconds device_timeout{0};  // as votequorum has it
    quorum::tie_breaker ties;
    std::uint64_t poll_slow_ns = 0;  // the longest call of votequorum while nothing hangs
};

// True time in, times of this node's clock out: wrong by up to 1 %.
class node_clock {
  public:
    node_clock(std::uint64_t offset_ns, std::int64_t wrong_ppm)
        : offset_ns_(offset_ns), wrong_ppm_(wrong_ppm) {}
    std::uint64_t local(std::uint64_t true_ns) const noexcept {
        const auto time_ns = static_cast<std::int64_t>(true_ns);
        return offset_ns_ + static_cast<std::uint64_t>(time_ns + time_ns * wrong_ppm_ / 1'000'000);
    }
    // The first true time at which it shows that.
    std::uint64_t when(std::uint64_t local_ns) const noexcept;

  private:
    std::uint64_t offset_ns_;
    std::int64_t wrong_ppm_;
};

class machine {
  public:
    using tracer = std::function<void(unsigned node, const char* what, std::uint64_t detail)>;

    machine(unsigned index, const settings& common, const node_clock& clock,
            std::vector<std::shared_ptr<io::sim_port>> ports, std::uint64_t seed, tracer trace);

    // All times are true times.
    std::uint64_t next_event_ns() const noexcept;
    void run(std::uint64_t now_ns);

    // Corosync.
    void change_ring(const quorum::ring_id& ring, const quorum::slot_set& members,
                     std::uint64_t now_ns);
    const quorum::ring_id& ring() const noexcept { return corosync_.ring(); }
    const quorum::slot_set& members() const noexcept { return members_; }
    bool has_vote() const noexcept {
        return is_up_ && !is_frozen_ && corosync_.counts_vote() && !vote_is_late_;
    }
    // Votes cast by a poll that was on its way when the node froze, and that Corosync carried out
    // after the thaw, when the right to it had run out. They last until the next poll, some
    // milliseconds later; only fencing can cover them (doc/quorum.md, "What it cannot do").
    std::uint64_t late_votes() const noexcept { return late_votes_; }

    // For people.
    std::string describe() const;

    // Faults.
    bool is_up() const noexcept { return is_up_; }
    bool is_frozen() const noexcept { return is_frozen_; }
    bool has_daemon() const noexcept { return daemon_ != nullptr; }
    void crash();
    void boot(std::uint64_t now_ns);
    void freeze() noexcept { is_frozen_ = true; }
    void thaw(std::uint64_t now_ns);
    void kill_daemon(std::uint64_t now_ns);
    void start_daemon(std::uint64_t now_ns);
    void stop_daemon(std::uint64_t now_ns);
    void hang_main(bool hangs) noexcept;
    void hang_votes(bool hangs) noexcept;
    const quorum::lease* lease() const noexcept { return daemon_ ? &daemon_->logic : nullptr; }

  private:
    struct volume_io {
        std::unique_ptr<io::block_device> device;
        std::unique_ptr<io::channel> channel;
        io::aligned_buffer block;
        io::aligned_buffer table;
        quorum::table_reader reader;
        std::uint64_t issued_ns = 0;  // local
        bool is_write = false;
        bool busy = false;
    };
    struct daemon {
        explicit daemon(const quorum::lease_options& options) : logic(options) {}
        quorum::lease logic;
        std::vector<std::unique_ptr<volume_io>> volumes;
        std::uint64_t wake_ns = 0;  // local
        bool main_hangs = false;
        bool votes_hang = false;
        bool stops = false;
        // The thread for votequorum: the order it follows, and the call it is in.
        quorum::vote_order order;
        std::uint64_t next_poll_ns = 0;  // local
        bool in_call = false;
        bool call_casts = false;
        quorum::vote_order call_order;
        std::uint64_t call_ends_ns = 0;         // local
        std::optional<std::uint64_t> accepted;  // for the main thread
        std::optional<quorum::ring_has_changed> news;
        std::uint64_t news_ns = 0;  // local: when the notification arrives
    };

    void run_main(std::uint64_t local_ns);
    void run_votes(std::uint64_t local_ns);
    void end_call(std::uint64_t local_ns);
    void step(const quorum::lease_input& input, std::uint64_t local_ns);
    void submit(unsigned volume, bool is_write, std::uint64_t local_ns);
    void reap(std::uint64_t local_ns);
    void trace(const char* what, std::uint64_t detail) { trace_(index_, what, detail); }

    unsigned index_;
    const settings& common_;
    node_clock clock_;
    std::vector<std::shared_ptr<io::sim_port>> ports_;
    io::sim_random random_;
    tracer trace_;
    bool is_up_ = false;
    bool is_frozen_ = false;
    votequorum_stand_in corosync_;
    quorum::slot_set members_;
    std::unique_ptr<daemon> daemon_;
    bool stop_is_pending_ = false;
    bool call_was_frozen_ = false;
    bool vote_is_late_ = false;
    std::uint64_t late_votes_ = 0;
};

}  // namespace diskhb::quorum_sim
