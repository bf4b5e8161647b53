// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/vote_worker.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace diskhb::quorum {

using corosync::error_code;
using corosync::to_error;

namespace {

using namespace std::chrono_literals;

constexpr milliseconds connect_interval = 1s;
constexpr milliseconds poll_retry = 200ms;
// Corosync changes keys one after the other.
constexpr milliseconds settings_pause = 200ms;
// The timer's clock stands still while the machine sleeps, that of the orders does not.
constexpr milliseconds wake_interval_max = 250ms;

// Corosync's libraries copy a message that they dispatch to the stack, into a buffer of 1 MiB
// (IPC_DISPATCH_SIZE, lib/util.h): more than the threads of a daemon have that locks its memory.
constexpr std::size_t stack_bytes = 2 * 1024 * 1024;

// Starts a thread with a stack of that size, if those of other threads are smaller.
template <class Function>
std::thread start_with_stack(std::size_t bytes, Function function) {
    pthread_attr_t usual;
    pthread_attr_t larger;
    std::size_t usual_bytes = 0;
    if (pthread_getattr_default_np(&usual) != 0 || pthread_getattr_default_np(&larger) != 0) {
        return std::thread(std::move(function));
    }
    (void)pthread_attr_getstacksize(&usual, &usual_bytes);
    if (usual_bytes < bytes && pthread_attr_setstacksize(&larger, bytes) == 0) {
        (void)pthread_setattr_default_np(&larger);
    }
    std::thread thread(std::move(function));
    (void)pthread_setattr_default_np(&usual);
    (void)pthread_attr_destroy(&usual);
    (void)pthread_attr_destroy(&larger);
    return thread;
}

std::uint64_t in_ns(milliseconds duration) {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
}

poll_plan_options plan_options(const vote_thread_options& options) {
    return {in_ns(options.expected.timeout) / 2, in_ns(poll_retry), in_ns(options.answer_patience)};
}

slot_set slots_of(std::span<const std::uint32_t> node_ids) {
    slot_set slots;
    for (const std::uint32_t node_id : node_ids) {
        if (node_id >= 1 && node_id <= format::slots_max) {
            slots.set(static_cast<slot_index>(node_id - 1));
        }
    }
    return slots;
}

}  // namespace

vote_thread::worker::worker(vote_thread_options options, std::shared_ptr<const engine::clock> clock,
                            vote_listener listener)
    : options_(std::move(options)),
      clock_(std::move(clock)),
      listener_(std::move(listener)),
      meter_(*clock_),
      work_(loop_.get_executor()),
      timer_(loop_),
      settings_timer_(loop_),
      session_(
          loop_, options_, meter_,
          {[this](const ring_id& ring, std::span<const std::uint32_t> node_ids) {
               handle_nodelist(ring, node_ids);
           },
           [this] { boost::asio::post(loop_, [this] { tell_quorum(); }); },
           [this] { check_settings_soon(); }, [this](const std::string& what) { fail(what); }}),
      plan_(plan_options(options_)) {}

// --- The handle's side.

void vote_thread::worker::start() {
    has_ended_ = false;
    thread_ = start_with_stack(stack_bytes, [self = shared_from_this()] { self->run(); });
}

void vote_thread::worker::follow(const vote_order& order) {
    const std::lock_guard lock(mutex_);
    order_ = order;
    // While the thread is in a call, or has ended, nothing piles up.
    if (!std::exchange(is_order_new_, true)) {
        boost::asio::post(loop_, [this] { drive(time_has_passed{}); });
    }
}

bool vote_thread::worker::stop() {
    bool has_ended = false;
    {
        std::unique_lock lock(mutex_);
        if (std::exchange(is_stopping_, true)) {
            return has_ended_;
        }
        boost::asio::post(loop_, [this] { finish(); });
        has_ended = ended_.wait_for(lock, options_.stop_patience, [this] { return has_ended_; });
    }
    {
        const std::lock_guard lock(tell_mutex_);
        is_silenced_ = true;
    }
    if (thread_.joinable()) {
        has_ended ? thread_.join() : thread_.detach();
    }
    return has_ended;
}

// --- The vote thread's side.

void vote_thread::worker::run() {
    started_ns_ = clock_->now_ns();
    boost::asio::post(loop_, [this] { connect(); });
    loop_.run();
    {
        const std::lock_guard lock(mutex_);
        has_ended_ = true;
    }
    ended_.notify_all();
}

void vote_thread::worker::connect() {
    const std::optional<session_failure> failure = session_.open();
    counters_.call_ns_max = meter_.max_ns();
    if (failure) {
        connect_later(*failure);
        return;
    }
    counters_.is_connected = true;
    counters_.is_registered = true;
    drive(time_has_passed{});
}

void vote_thread::worker::connect_later(const session_failure& failure) {
    const std::uint64_t end_ns = started_ns_ + in_ns(options_.registration_patience);
    if (!failure.may_pass || clock_->now_ns() >= end_ns) {
        fail(failure.what);
        return;
    }
    if (!std::exchange(has_told_wait_, true)) {
        tell([&] { listener_.on_failure(failure.what, false); });
    }
    timer_.expires_after(connect_interval);
    timer_.async_wait([this](const error_code& error) {
        if (!error) {
            connect();
        }
    });
}

// Called by the library's dispatch: what asks Corosync again waits until that has returned.
void vote_thread::worker::handle_nodelist(const ring_id& ring,
                                          std::span<const std::uint32_t> node_ids) {
    boost::asio::post(loop_, [this, ring, members = slots_of(node_ids)] {
        if (session_.is_registered()) {
            tell_ring(ring, members);
        }
    });
}

void vote_thread::worker::tell_ring(const ring_id& ring, const slot_set& members) {
    const result<quorum_news> news = session_.news();
    // votequorum_sync_init waits for the poll of a device that is alive, and nothing but our poll,
    // or its end, makes it alive or not. The first one is what trackstart tells, whenever.
    const bool is_waiting = std::exchange(has_ring_, true) && news && news->is_device_alive;
    drive(ring_was_seen{ring});
    tell([&] { listener_.on_ring(ring, members, is_waiting); });
}

void vote_thread::worker::tell_quorum() {
    if (!session_.is_registered()) {
        return;
    }
    if (const result<quorum_news> news = session_.news()) {
        tell([&] { listener_.on_quorum(*news); });
    }
}

void vote_thread::worker::check_settings_soon() {
    settings_timer_.expires_after(settings_pause);
    settings_timer_.async_wait([this](const error_code& error) {
        if (!error && session_.is_registered()) {
            check_settings();
        }
    });
}

void vote_thread::worker::check_settings() {
    const std::optional<session_failure> failure = session_.check_settings();
    if (failure && failure->may_pass) {
        // If the connection is lost, its dispatch tells.
        check_settings_soon();
    } else if (failure) {
        fail(failure->what);
    }
}

// One poll at most, so that what has come meanwhile has its turn before the next one.
void vote_thread::worker::drive(const poll_input& input) {
    vote_order order;
    {
        const std::lock_guard lock(mutex_);
        if (is_stopping_) {
            return;
        }
        order = order_;
        is_order_new_ = false;
    }
    plan_.step(order, clock_->now_ns());
    const poll_actions actions = plan_.step(input, clock_->now_ns());
    if (!session_.is_registered()) {
        return;
    }
    if (actions.poll) {
        poll(*actions.poll);
    } else {
        arm(actions.wake_ns);
    }
}

void vote_thread::worker::poll(const poll_request& request) {
    const std::uint64_t issued_ns = clock_->now_ns();
    const error_code error = session_.poll(request.ring, request.cast_vote);
    const bool was_refused =
        error == to_error(CS_ERR_MESSAGE_ERROR) || error == to_error(CS_ERR_TRY_AGAIN);
    if (error && !was_refused) {
        fail(fmt::format("votequorum does not take the poll of the quorum device: {}",
                         error.message()));
        return;
    }
    count(request, !error);
    const poll_actions next =
        plan_.step(poll_was_answered{request, issued_ns, !error}, clock_->now_ns());
    // Before the answer is told: the call may have lasted until after the end of the vote.
    if (next.poll) {
        boost::asio::post(loop_, [this] { drive(time_has_passed{}); });
    } else {
        arm(next.wake_ns);
    }
    if (!error && request.generation) {
        tell([&] { listener_.on_accepted(*request.generation); });
    }
}

void vote_thread::worker::count(const poll_request& request, bool was_accepted) {
    counters_.call_ns_max = meter_.max_ns();
    if (!was_accepted) {
        ++counters_.polls_refused;
        return;
    }
    ++(request.cast_vote ? counters_.polls_yes : counters_.polls_no);
    counters_.last_accepted_ns = clock_->now_ns();
    if (is_voting_ && !request.cast_vote && !request.generation) {
        ++counters_.withdrawals;
    }
    is_voting_ = request.cast_vote;
}

void vote_thread::worker::arm(std::uint64_t wake_ns) {
    const std::uint64_t now_ns = clock_->now_ns();
    const std::uint64_t wait_ns =
        std::min(wake_ns - std::min(wake_ns, now_ns), in_ns(wake_interval_max));
    timer_.expires_after(std::chrono::nanoseconds(wait_ns));
    timer_.async_wait([this](const error_code& error) {
        if (!error) {
            drive(time_has_passed{});
        }
    });
}

// On purpose, or because it must not go on.
void vote_thread::worker::finish() {
    if (session_.is_registered()) {
        if (plan_.ring().known()) {
            session_.poll(plan_.ring(), false);
        }
        session_.unregister();
    }
    end();
}

void vote_thread::worker::fail(const std::string& what) {
    finish();
    tell([&] { listener_.on_failure(what, true); });
}

void vote_thread::worker::end() {
    session_.close();
    counters_.is_connected = false;
    counters_.is_registered = false;
    timer_.cancel();
    settings_timer_.cancel();
    work_.reset();
    loop_.stop();
}

template <class Call>
void vote_thread::worker::tell(const Call& call) {
    const std::lock_guard lock(tell_mutex_);
    if (!is_silenced_) {
        call();
    }
}

}  // namespace diskhb::quorum
