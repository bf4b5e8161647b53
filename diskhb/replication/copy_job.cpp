// SPDX-License-Identifier: BSD-3-Clause
#include "replication/copy_job.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/clock.hpp"
#include "engine/engine_thread.hpp"
#include "engine/latency.hpp"
#include "engine/thread_waker.hpp"
#include "io/volume.hpp"
#include "io/volume_error.hpp"
#include "replication/copy_target.hpp"

namespace diskhb::replication {

namespace {

using engine::refused_pause;
using engine::reopen_pause;

constexpr std::uint32_t piece_bytes_most = 256 * 1024;

copier_setup setup_of(const format::superblock& volume, const copy_job_options& options) {
    copier_setup setup;
    setup.measures = volume.measures;
    setup.cluster = volume.cluster;
    setup.slot = static_cast<format::slot_index>(options.node_id - 1);
    // Even in the smallest ring several pieces are under way at once.
    setup.piece_bytes = static_cast<std::uint32_t>(std::max<std::uint64_t>(
        volume.measures.block_bytes,
        std::min<std::uint64_t>(piece_bytes_most, volume.measures.ring_bytes / 8)));
    setup.rate_bytes_per_s = options.rate_bytes_per_s;
    return setup;
}

}  // namespace

const char* copy_job_state_name(copy_job_state state) noexcept {
    switch (state) {
        case copy_job_state::waiting_for_source:
            return "waiting_for_source";
        case copy_job_state::waiting_for_target:
            return "waiting_for_target";
        case copy_job_state::proving:
            return "proving";
        case copy_job_state::copying:
            return "copying";
        case copy_job_state::refused:
            return "refused";
        case copy_job_state::stopped:
            break;
    }
    return "stopped";
}

class copy_job::implementation : public std::enable_shared_from_this<implementation> {
  public:
    explicit implementation(const copy_job_options& options)
        : options_(options),
          source_{copy_side::source, std::make_shared<engine::thread_waker>()},
          target_{copy_side::target, std::make_shared<engine::thread_waker>()} {}

    void start();
    void stop(std::chrono::nanoseconds patience);
    std::uint64_t request_copy();
    bool is_settled(std::uint64_t ticket) const;
    copy_job_status status() const;

  private:
    // What belongs to one device and its thread; the rest of the class is under lock_.
    struct device_side {
        copy_side which;
        std::shared_ptr<engine::thread_waker> waker;
        std::unique_ptr<io::block_device> device = nullptr;
        std::unique_ptr<io::channel> channel = nullptr;
        std::vector<io::request> batch = {};  // to be submitted
        // Under lock_:
        std::vector<io::request> queue = {};  // given out by the copier, not taken yet
        bool is_ready = false;
        std::string error = {};
        bool is_refused = false;
        std::uint64_t losses = 0;
    };

    device_side& other(const device_side& side) noexcept {
        return side.which == copy_side::source ? target_ : source_;
    }
    void run(device_side& side);
    bool open(device_side& side);
    bool open_source();
    bool open_target();
    void close(device_side& side);
    std::uint64_t pump(device_side& side);
    void take_completions(device_side& side, std::span<const io::completion> done,
                          std::uint64_t now_ns);
    void prepare_copier(std::uint64_t now_ns);
    void cancel_queue(device_side& side, std::uint64_t now_ns);
    bool is_usable(const device_side& side) const;
    bool may_end(const device_side& side) const;
    void fail_open(device_side& side, const std::string& error, bool is_refused);

    const copy_job_options options_;
    const engine::system_clock clock_;
    std::atomic<bool> stopping_{false};

    mutable std::mutex lock_;
    std::condition_variable changed_;  // what is settled, or threads_
    unsigned threads_ = 0;
    device_side source_;
    device_side target_;
    std::optional<format::superblock> volume_;  // of the source
    std::optional<format::superblock> target_is_copy_of_;
    std::unique_ptr<slot_copier> copier_;
    std::vector<copy_action> actions_;
    engine::latency_histogram lag_;
    std::uint64_t lag_ns_most_ = 0;
};

void copy_job::implementation::start() {
    {
        const std::lock_guard guard(lock_);
        threads_ = 2;
    }
    for (device_side* side : {&source_, &target_}) {
        std::thread([self = shared_from_this(), side] {
            engine::set_up_thread(side->which == copy_side::source ? "dhb-copy-read"
                                                                   : "dhb-copy-write");
            self->run(*side);
            const std::lock_guard guard(self->lock_);
            --self->threads_;
            self->changed_.notify_all();
        }).detach();
    }
}

void copy_job::implementation::stop(std::chrono::nanoseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    // The writer's farewell is worth waiting for: half of the time for it, the rest for the I/O.
    const std::uint64_t ticket = stopping_.load(std::memory_order_relaxed) ? 0 : request_copy();
    if (ticket != 0) {
        std::unique_lock guard(lock_);
        changed_.wait_until(guard, end - patience / 2,
                            [&] { return !copier_ || copier_->settled() >= ticket; });
    }
    stopping_.store(true, std::memory_order_relaxed);
    source_.waker->wake();
    target_.waker->wake();
    std::unique_lock guard(lock_);
    changed_.wait_until(guard, end, [this] { return threads_ == 0; });
}

void copy_job::implementation::run(device_side& side) {
    while (!may_end(side)) {
        if (!side.channel && !open(side)) {
            const bool is_refused = [&] {
                const std::lock_guard guard(lock_);
                return side.is_refused;
            }();
            side.waker->wait(is_refused ? refused_pause : reopen_pause);
            continue;
        }
        const std::uint64_t next_ns = pump(side);
        const std::uint64_t now_ns = clock_.now_ns();
        if (side.channel && next_ns > now_ns) {
            side.waker->wait(engine::until(next_ns, now_ns));
        }
    }
    close(side);
}

bool copy_job::implementation::may_end(const device_side& side) const {
    if (!stopping_.load(std::memory_order_relaxed)) {
        return false;
    }
    const std::lock_guard guard(lock_);
    return !side.channel || !copier_ || !copier_->busy(side.which);
}

bool copy_job::implementation::open(device_side& side) {
    if (stopping_.load(std::memory_order_relaxed)) {
        return false;
    }
    if (!(side.which == copy_side::source ? open_source() : open_target())) {
        return false;
    }
    side.waker->use(side.channel.get());
    return true;
}

bool copy_job::implementation::open_source() {
    io::path_source from(options_.source, io::path_source::access::read_only, options_.backend);
    auto opened = io::open_volume(from, options_.cluster_name, engine::superblock_patience);
    if (!opened) {
        fail_open(source_, io::volume_error(options_.source, opened.error()).what(),
                  engine::is_refusal(opened.error()));
        return false;
    }
    if (options_.node_id > opened->superblock.measures.slots) {
        fail_open(source_, options_.source + ": has no slot for this node", true);
        return false;
    }
    source_.device = std::move(opened->device);
    source_.channel = source_.device->make_channel(copier_setup().reads_most + 1);
    const std::lock_guard guard(lock_);
    volume_ = std::move(opened->superblock);
    source_.is_ready = true;
    source_.is_refused = false;
    source_.error.clear();
    target_.waker->wake();
    return true;
}

bool copy_job::implementation::open_target() {
    std::optional<format::superblock> volume;
    {
        const std::lock_guard guard(lock_);
        volume = volume_;
    }
    if (!volume) {
        return false;  // the source says what the target must be
    }
    // Several writes at once, also to a file: io_uring wherever it is allowed.
    const auto how =
        options_.backend == io::backend::automatic ? io::backend::uring : options_.backend;
    auto opened = replication::open_target(options_.source, *volume, options_.target, how,
                                           static_cast<format::slot_index>(options_.node_id - 1));
    if (!opened.device) {
        fail_open(target_, opened.error, opened.is_refused);
        return false;
    }
    target_.device = std::move(opened.device);
    target_.channel = target_.device->make_channel(copier_setup().writes_most + 1);
    const std::lock_guard guard(lock_);
    target_is_copy_of_ = std::move(volume);
    target_.is_ready = true;
    target_.is_refused = false;
    target_.error.clear();
    source_.waker->wake();
    return true;
}

void copy_job::implementation::fail_open(device_side& side, const std::string& error,
                                         bool is_refused) {
    const std::lock_guard guard(lock_);
    side.error = error;
    side.is_refused = is_refused;
}

void copy_job::implementation::close(device_side& side) {
    side.waker->use(nullptr);
    side.channel.reset();
    side.device.reset();
}

// Whether its device can go on being used; under lock_.
bool copy_job::implementation::is_usable(const device_side& side) const {
    const bool has_failed = copier_ && copier_->failed(side.which);
    const bool is_outdated =
        side.which == copy_side::target && volume_ && target_is_copy_of_ != volume_;
    return !has_failed && !is_outdated;
}

// One round of one side: what has ended goes into the copier, what it wants comes out.
std::uint64_t copy_job::implementation::pump(device_side& side) {
    std::array<io::completion, 32> done{};
    const std::size_t count = side.channel->reap(done);
    std::uint64_t next_ns = engine::never_ns;
    bool wakes_other = false;
    bool closes = false;
    {
        const std::lock_guard guard(lock_);
        const std::uint64_t now_ns = clock_.now_ns();
        take_completions(side, std::span(done).first(count), now_ns);
        prepare_copier(now_ns);
        if (copier_ && copier_->state() != copier_state::failed &&
            !stopping_.load(std::memory_order_relaxed)) {
            actions_.clear();
            next_ns = copier_->step(now_ns, actions_);
            for (const copy_action& action : actions_) {
                (action.side == copy_side::source ? source_ : target_).queue.push_back(action.what);
            }
        } else {
            cancel_queue(side, now_ns);
        }
        changed_.notify_all();
        side.batch.swap(side.queue);
        closes = !is_usable(side) && side.batch.empty() && (!copier_ || !copier_->busy(side.which));
        if (closes) {
            ++side.losses;
            side.is_ready = false;
            side.error = (side.which == copy_side::source ? options_.source : options_.target) +
                         ": I/O failed";
        }
        wakes_other = closes || !other(side).queue.empty();
    }
    if (wakes_other) {
        other(side).waker->wake();
    }
    for (const io::request& wanted : side.batch) {
        side.channel->submit(wanted);
    }
    const bool has_submitted = !side.batch.empty();
    side.batch.clear();
    if (closes) {
        close(side);
    }
    return has_submitted ? 0 : next_ns;  // a blocking channel has done it already
}

void copy_job::implementation::take_completions(device_side& side,
                                                std::span<const io::completion> done,
                                                std::uint64_t now_ns) {
    for (const io::completion& each : done) {
        copier_->on_completion(side.which, each, now_ns);
    }
    if (copier_ && copier_->take_announcement()) {
        lag_.record(copier_->last_lag_ns());
        lag_ns_most_ = std::max(lag_ns_most_, copier_->last_lag_ns());
    }
}

// Requests that the copier gave out and nobody has submitted.
void copy_job::implementation::cancel_queue(device_side& side, std::uint64_t now_ns) {
    for (const io::request& wanted : std::exchange(side.queue, {})) {
        copier_->on_completion(side.which, {wanted.tag, ECANCELED}, now_ns);
    }
}

// Begins to copy when both devices are there, anew after one was lost.
void copy_job::implementation::prepare_copier(std::uint64_t now_ns) {
    const bool is_ready = source_.is_ready && target_.is_ready && target_is_copy_of_ == volume_;
    if (!is_ready || (copier_ && copier_->busy())) {
        return;
    }
    if (!copier_ || copier_->volume() != volume_->cluster) {
        copier_ = std::make_unique<slot_copier>(setup_of(*volume_, options_));
    } else if (copier_->state() == copier_state::failed) {
        copier_->restart(now_ns);
    }
}

std::uint64_t copy_job::implementation::request_copy() {
    std::uint64_t ticket = 0;
    {
        const std::lock_guard guard(lock_);
        if (copier_ && copier_->state() != copier_state::failed && source_.is_ready &&
            target_.is_ready) {
            ticket = copier_->request_copy(clock_.now_ns());
        }
    }
    source_.waker->wake();
    return ticket;
}

bool copy_job::implementation::is_settled(std::uint64_t ticket) const {
    const std::lock_guard guard(lock_);
    return ticket != 0 && copier_ && copier_->settled() >= ticket;
}

copy_job_status copy_job::implementation::status() const {
    copy_job_status now;
    const auto nanoseconds = [](std::uint64_t value) { return std::chrono::nanoseconds(value); };
    const std::lock_guard guard(lock_);
    const std::uint64_t now_ns = clock_.now_ns();
    now.source_losses = source_.losses;
    now.target_losses = target_.losses;
    now.lag_p50 = nanoseconds(lag_.percentile_ns(0.5));
    now.lag_p99 = nanoseconds(lag_.percentile_ns(0.99));
    now.lag_most = nanoseconds(lag_ns_most_);
    if (copier_) {
        now.counters = copier_->counters();
        now.incarnation = copier_->announced().incarnation;
        now.beat = copier_->announced().sequence;
        now.behind = nanoseconds(copier_->behind_ns(now_ns));
        now.memory_bytes = copier_->memory_bytes();
        const std::uint64_t at_ns = copier_->announced_ns();
        now.announced_ago = nanoseconds(at_ns == 0 || at_ns > now_ns ? 0 : now_ns - at_ns);
    }
    if (threads_ == 0) {
        now.state = copy_job_state::stopped;
    } else if (!source_.is_ready) {
        now.state =
            source_.is_refused ? copy_job_state::refused : copy_job_state::waiting_for_source;
        now.error = source_.error;
    } else if (!target_.is_ready || !copier_) {
        now.state =
            target_.is_refused ? copy_job_state::refused : copy_job_state::waiting_for_target;
        now.error = target_.error;
    } else if (copier_->state() == copier_state::refused) {
        now.state = copy_job_state::refused;
        now.error = options_.target +
                    ": somebody else writes this node's slot there; most likely "
                    "it is the send volume itself under another name";
    } else {
        now.state = copier_->state() == copier_state::copying ? copy_job_state::copying
                                                              : copy_job_state::proving;
        if (copier_->rejected() && copier_->rejected() != errc::empty_block) {
            now.error = options_.source + ": " + copier_->rejected().message();
        }
    }
    return now;
}

copy_job::copy_job(const copy_job_options& options)
    : implementation_(std::make_shared<implementation>(options)) {}

copy_job::~copy_job() { stop(); }

void copy_job::start() { implementation_->start(); }
void copy_job::stop(std::chrono::nanoseconds patience) { implementation_->stop(patience); }
std::uint64_t copy_job::request_copy() { return implementation_->request_copy(); }
bool copy_job::is_settled(std::uint64_t ticket) const {
    return implementation_->is_settled(ticket);
}
copy_job_status copy_job::status() const { return implementation_->status(); }

}  // namespace diskhb::replication
