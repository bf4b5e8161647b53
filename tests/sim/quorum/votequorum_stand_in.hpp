// SPDX-License-Identifier: BSD-3-Clause
// What votequorum does with a quorum device, as far as the device's votes go (corosync 3.1,
// exec/votequorum.c: message_handler_req_lib_votequorum_qdevice_poll, votequorum_sync_init,
// qdevice_timer_fn): on one node, by its clock.
#pragma once

#include <cstdint>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum_sim {

inline constexpr std::uint64_t never_ns = UINT64_MAX;

class votequorum_stand_in {
  public:
    votequorum_stand_in(std::uint64_t timeout_ns, std::uint64_t sync_timeout_ns)
        : timeout_ns_(timeout_ns), sync_timeout_ns_(sync_timeout_ns) {}

    // The sync phase of a new ring begins. It waits for the device if that is alive.
    void change_ring(const quorum::ring_id& ring, std::uint64_t now_ns) noexcept {
        ring_ = ring;
        is_waiting_ = is_alive_;
        if (is_alive_) {
            timer_ns_ = now_ns + sync_timeout_ns_;
        }
    }
    // False: refused, since it is for another ring.
    bool poll(const quorum::ring_id& ring, bool casts, std::uint64_t now_ns) noexcept {
        if (ring != ring_) {
            return false;
        }
        is_alive_ = true;
        is_cast_ = casts;
        is_waiting_ = false;
        timer_ns_ = now_ns + timeout_ns_;
        return true;
    }
    void unregister() noexcept {
        is_alive_ = is_cast_ = is_waiting_ = false;
        timer_ns_ = never_ns;
    }
    // To be called when timer_ns() has come.
    void run_timer(std::uint64_t now_ns) noexcept {
        if (now_ns >= timer_ns_) {
            is_alive_ = is_cast_ = is_waiting_ = false;
            timer_ns_ = never_ns;
        }
    }
    std::uint64_t timer_ns() const noexcept { return timer_ns_; }
    const quorum::ring_id& ring() const noexcept { return ring_; }
    bool is_waiting() const noexcept { return is_waiting_; }
    // In the sync phase there is no partition yet that the vote could count in: the quorum is
    // calculated, and told, when the phase ends.
    bool counts_vote() const noexcept { return is_cast_ && !is_waiting_; }

  private:
    std::uint64_t timeout_ns_;
    std::uint64_t sync_timeout_ns_;
    quorum::ring_id ring_;
    bool is_alive_ = false;
    bool is_cast_ = false;
    bool is_waiting_ = false;
    std::uint64_t timer_ns_ = never_ns;
};

}  // namespace diskhb::quorum_sim
