// SPDX-License-Identifier: BSD-3-Clause
// What vote_thread's handle and its thread share: each keeps it alive, since a thread that Corosync
// does not answer has to be left behind. Members are of the vote thread alone, but for what says
// otherwise.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "plugin/quorum/vote_session.hpp"

namespace diskhb::quorum {

class vote_thread::worker : public std::enable_shared_from_this<worker> {
  public:
    worker(vote_thread_options options, std::shared_ptr<const engine::clock> clock,
           vote_listener listener);

    // The handle's, on its thread.
    void start();
    bool stop();

    // Any thread.
    void follow(const vote_order& order);
    std::uint64_t in_call_since_ns() const noexcept { return meter_.since_ns(); }
    const vote_counters& counters() const noexcept { return counters_; }

  private:
    void run();
    void connect();
    void connect_later(const session_failure& failure);
    void handle_nodelist(const ring_id& ring, std::span<const std::uint32_t> node_ids);
    void tell_ring(const ring_id& ring, const slot_set& members);
    void tell_quorum();
    void check_settings_soon();
    void check_settings();
    void drive(const poll_input& input);
    void poll(const poll_request& request);
    void count(const poll_request& request, bool was_accepted);
    void arm(std::uint64_t wake_ns);
    void finish();
    void fail(const std::string& what);
    void end();
    template <class Call>
    void tell(const Call& call);

    const vote_thread_options options_;
    const std::shared_ptr<const engine::clock> clock_;
    const vote_listener listener_;
    call_meter meter_;        // any thread
    vote_counters counters_;  // any thread

    boost::asio::io_context loop_;  // any thread may post
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    boost::asio::steady_timer timer_;
    boost::asio::steady_timer settings_timer_;
    vote_session session_;
    poll_plan plan_;
    std::uint64_t started_ns_ = 0;
    bool has_ring_ = false;
    bool is_voting_ = false;  // by the last accepted poll
    bool has_told_wait_ = false;

    std::thread thread_;  // the handle's
    std::mutex mutex_;    // guards what follows; never held during a call
    std::condition_variable ended_;
    vote_order order_;
    bool is_order_new_ = false;  // and drive() is called for it
    bool is_stopping_ = false;
    bool has_ended_ = true;  // or has not started
    std::mutex tell_mutex_;  // held while the listener is called
    bool is_silenced_ = false;
};

}  // namespace diskhb::quorum
