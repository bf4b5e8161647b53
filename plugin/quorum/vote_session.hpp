// SPDX-License-Identifier: BSD-3-Clause
// The vote thread's connection to Corosync: the device's settings in force, its registration, its
// polls. Each call waits for Corosync, however long that takes; the meter tells others since when.
// Runs on the vote thread alone.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "plugin/corosync/cmap.hpp"
#include "plugin/corosync/votequorum.hpp"
#include "plugin/quorum/poll_plan.hpp"
#include "plugin/quorum/vote_thread.hpp"

namespace diskhb::quorum {

// Since when the vote thread has been in a call, for other threads to see.
class call_meter {
  public:
    explicit call_meter(const engine::clock& clock) : clock_(clock) {}

    // Makes the call. Not nested.
    template <class Call>
    auto measure(const Call& call) {
        const std::uint64_t begin_ns = clock_.now_ns();
        since_ns_ = begin_ns;
        auto answer = call();
        since_ns_ = 0;
        max_ns_ = std::max(max_ns_.load(), clock_.now_ns() - begin_ns);
        return answer;
    }
    // Any thread. 0: in no call.
    std::uint64_t since_ns() const noexcept { return since_ns_; }
    std::uint64_t max_ns() const noexcept { return max_ns_; }

  private:
    const engine::clock& clock_;
    std::atomic<std::uint64_t> since_ns_ = 0;
    std::atomic<std::uint64_t> max_ns_ = 0;
};

// Why it cannot be, in one line.
struct session_failure {
    std::string what;
    bool may_pass = false;  // worth another try
};

class vote_session {
  public:
    struct handlers {
        std::function<void(const ring_id&, std::span<const std::uint32_t> node_ids)> on_nodelist;
        std::function<void()> on_quorum;                  // the votes were counted
        std::function<void()> on_settings;                // of the device, in cmap, have changed
        std::function<void(const std::string&)> on_lost;  // Corosync has gone
    };

    vote_session(boost::asio::io_context& context, const vote_thread_options& options,
                 call_meter& meter, handlers call);
    ~vote_session() { close(); }

    // Connects, checks the settings, registers, begins to call the handlers. After a failure the
    // session is closed.
    std::optional<session_failure> open();
    bool is_registered() const noexcept { return is_registered_; }

    // Nothing if the settings in force are those expected.
    std::optional<session_failure> check_settings();
    corosync::error_code poll(const ring_id& ring, bool cast_vote);
    result<quorum_news> news();

    // Without unregister() the device stays registered, and its last vote for
    // quorum.device.timeout.
    void unregister();
    void close();

  private:
    std::optional<session_failure> connect();
    std::optional<session_failure> register_device();

    const vote_thread_options& options_;
    call_meter& meter_;
    corosync::cmap cmap_;
    corosync::votequorum votequorum_;
    bool is_registered_ = false;
};

}  // namespace diskhb::quorum
