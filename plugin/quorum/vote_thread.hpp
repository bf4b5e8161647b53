// SPDX-License-Identifier: BSD-3-Clause
// The quorum device as Corosync's votequorum sees it: registered, polled, withdrawn. All calls of
// libvotequorum are made on one thread of its own, because none has a timeout: a Corosync that is
// stopped holds this thread alone. What to poll is decided by poll_plan, so that a vote ends in
// time whatever the thread that ordered it does.
//
// Sequence (corosync-qdevice's qdevice-votequorum.c, exec/votequorum.c): connect, compare the
// device's settings in force with those expected, register, track, poll, unregister. Handle: one
// thread, but for what says otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/clock.hpp"
#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {

// What quorum.device says, as Corosync runs with it.
struct device_settings {
    std::string model;
    std::uint32_t votes = 0;
    milliseconds timeout{10000};
    milliseconds sync_timeout{30000};
};
// The first difference, for people; empty if there is none.
std::string difference(const device_settings& in_force, const device_settings& expected);

struct vote_thread_options {
    // The name it registers under. All nodes must use the same: 1 to 254 bytes.
    std::string device_name = "disk";
    device_settings expected;  // anything else in force, now or after a reload, is a failure
    // After this long without an order for a new ring (or with `undecided`), the thread itself says
    // no: the lease's `answer`, and something for its answer to arrive.
    milliseconds answer_patience{25000};
    // How long Corosync may take to start, before that is a failure.
    milliseconds registration_patience{10000};
    milliseconds stop_patience{2000};
};

// What votequorum counts, for reports.
struct quorum_news {
    bool is_quorate = false;
    unsigned expected_votes = 0;
    unsigned total_votes = 0;  // with the device's, if this node casts it
    unsigned quorum = 0;       // so many are needed
    bool is_device_alive = false;
    bool has_device_vote = false;
};

// Called on the vote thread, and never after stop() has returned: hand over and return. All must be
// set.
struct vote_listener {
    // A new membership. is_waiting: Corosync's sync phase waits for our poll. A membership of which
    // we are no member cannot come. Nodes above slots_max are left out.
    std::function<void(const ring_id&, const slot_set& members, bool is_waiting)> on_ring;
    std::function<void(const quorum_news&)> on_quorum;
    // The last poll by that order was answered: votequorum has now what it says. Not called for
    // polls that were refused (an old ring), nor for those the thread makes by itself.
    std::function<void(std::uint64_t generation)> on_accepted;
    // is_final: the thread has ended, Corosync has no vote of ours, or is gone, or will forget it
    // after quorum.device.timeout. Else it goes on trying. One line for the administrator.
    std::function<void(const std::string& what, bool is_final)> on_failure;
};

// Any thread may read.
struct vote_counters {
    std::atomic<bool> is_connected = false;
    std::atomic<bool> is_registered = false;
    std::atomic<std::uint64_t> polls_yes = 0;  // accepted ones
    std::atomic<std::uint64_t> polls_no = 0;
    std::atomic<std::uint64_t> polls_refused = 0;     // for an old ring, or try again
    std::atomic<std::uint64_t> withdrawals = 0;       // by the thread itself, since no order came
    std::atomic<std::uint64_t> last_accepted_ns = 0;  // of the clock; 0: none yet
    std::atomic<std::uint64_t> call_ns_max = 0;       // the longest call
};

class vote_thread {
  public:
    // `clock` is the one that the orders' times are of.
    vote_thread(vote_thread_options options, std::shared_ptr<const engine::clock> clock,
                vote_listener listener);
    ~vote_thread();  // stop()
    vote_thread(const vote_thread&) = delete;
    vote_thread& operator=(const vote_thread&) = delete;

    // Once.
    void start();
    // Any thread, at any time after start; the newest order is the one that counts. Never blocks.
    void follow(const vote_order& order);
    // Polls no, unregisters, disconnects. false: Corosync did not answer within stop_patience; then
    // the thread is left to itself and ends as soon as Corosync answers or is gone.
    bool stop();

    // Any thread. Since when (of the clock) the thread has been in a call of Corosync; 0: in none.
    std::uint64_t in_call_since_ns() const noexcept;
    const vote_counters& counters() const noexcept;

  private:
    class worker;
    std::shared_ptr<worker> worker_;
};

}  // namespace diskhb::quorum
