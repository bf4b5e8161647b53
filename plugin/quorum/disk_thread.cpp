// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/disk_thread.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/latency.hpp"
#include "format/assert.hpp"
#include "plugin/quorum/disk_volume.hpp"

namespace diskhb::quorum {

namespace {

enum class task { none, read, write };

// Durations of one kind of request. One thread records, any thread reads.
struct duration_log {
    engine::latency_histogram histogram;
    std::atomic<std::uint64_t> max_ns{0};
    std::atomic<std::uint64_t> count{0};
    std::atomic<std::uint64_t> last_ns{0};  // when the last one succeeded; 0: never

    void record(std::uint64_t begin_ns, std::uint64_t end_ns) noexcept {
        const std::uint64_t lasted_ns = end_ns - begin_ns;
        histogram.record(lasted_ns);
        max_ns.store(std::max(max_ns.load(), lasted_ns));
        count.fetch_add(1);
        last_ns.store(end_ns);
    }
    std::optional<std::uint64_t> last_ago_ns(std::uint64_t now_ns) const noexcept {
        const std::uint64_t last = last_ns.load();
        return last == 0 ? std::nullopt : std::optional(now_ns - std::min(now_ns, last));
    }
};

}  // namespace

// Shared by handle and thread, since the thread may have to be left behind.
class disk_thread::worker : public std::enable_shared_from_this<worker> {
  public:
    worker(const disk_options& options, std::unique_ptr<io::device_source> source,
           identifier identify, std::shared_ptr<volume_claims> claims,
           std::shared_ptr<const engine::clock> clock, listener on_done)
        : options_(options),
          clock_(std::move(clock)),
          on_done_(std::move(on_done)),
          volume_(options_, std::move(source), std::move(identify), std::move(claims)) {}

    void start() {
        std::thread([self = shared_from_this()] { self->run(); }).detach();
    }

    void close() {
        {
            const std::lock_guard lock(mutex_);
            is_closed_ = true;
        }
        changed_.notify_all();
        // A report that is under way ends first; then none follows.
        const std::lock_guard reporting(report_mutex_);
    }

    void request(task what, const format::quorum_block* block) {
        {
            const std::lock_guard lock(mutex_);
            DISKHB_ASSERT(task_ == task::none);
            task_ = what;
            if (block != nullptr) {
                block_ = *block;
            }
        }
        changed_.notify_all();
    }

    void wait_opened(std::chrono::nanoseconds timeout) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, timeout, [this] { return has_tried_; });
    }

    std::optional<disk_failure> failure() const {
        const std::lock_guard lock(mutex_);
        return failure_;
    }

    volume_snapshot snapshot() const;

  private:
    void run();
    void open();
    disk_result perform(task what);
    void settle(std::optional<disk_failure> failure);
    void report(const disk_result& result);

    const disk_options options_;
    const std::shared_ptr<const engine::clock> clock_;
    const listener on_done_;

    // Of the disk thread alone.
    disk_volume volume_;
    std::uint64_t next_open_ns_ = 0;

    mutable std::mutex mutex_;  // never held during I/O
    std::condition_variable changed_;
    std::mutex report_mutex_;  // held while the listener is called
    bool is_closed_ = false;
    bool has_tried_ = false;
    bool is_open_ = false;
    std::uint64_t times_lost_ = 0;
    std::optional<disk_failure> failure_;
    task task_ = task::none;
    format::quorum_block block_;  // to be written

    std::atomic<std::uint64_t> pending_since_ns_{0};  // 0: nothing on its way
    duration_log reads_;
    duration_log writes_;
};

void disk_thread::worker::run() {
    open();
    while (true) {
        task what = task::none;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return is_closed_ || task_ != task::none; });
            if (is_closed_) {
                return;
            }
            what = task_;
        }
        if (!volume_.is_open() && clock_->now_ns() >= next_open_ns_) {
            open();
        }
        const disk_result result = perform(what);
        {
            const std::lock_guard lock(mutex_);
            task_ = task::none;
        }
        report(result);
    }
}

void disk_thread::worker::open() {
    pending_since_ns_.store(clock_->now_ns());
    auto failure = volume_.open();
    pending_since_ns_.store(0);
    next_open_ns_ = clock_->now_ns() + static_cast<std::uint64_t>(options_.reopen_interval.count());
    settle(std::move(failure));
}

disk_result disk_thread::worker::perform(task what) {
    disk_result result{options_.index, what == task::write, false, clock_->now_ns(), {}};
    if (!volume_.is_open()) {
        return result;
    }
    pending_since_ns_.store(result.issued_ns);
    // block_ stays as it is until this request is done.
    auto failure = result.was_write ? volume_.write(block_) : volume_.read();
    pending_since_ns_.store(0);
    result.succeeded = !failure;
    if (result.succeeded) {
        (result.was_write ? writes_ : reads_).record(result.issued_ns, clock_->now_ns());
        result.table = result.was_write ? std::span<const sighting>() : volume_.table();
    } else {
        next_open_ns_ =
            clock_->now_ns() + static_cast<std::uint64_t>(options_.reopen_interval.count());
        settle(std::move(failure));
    }
    return result;
}

void disk_thread::worker::settle(std::optional<disk_failure> failure) {
    {
        const std::lock_guard lock(mutex_);
        has_tried_ = true;
        times_lost_ += is_open_ && failure ? 1 : 0;
        is_open_ = !failure;
        failure_ = std::move(failure);
    }
    changed_.notify_all();
}

void disk_thread::worker::report(const disk_result& result) {
    const std::lock_guard reporting(report_mutex_);
    {
        const std::lock_guard lock(mutex_);
        if (is_closed_) {
            return;
        }
    }
    on_done_(result);
}

volume_snapshot disk_thread::worker::snapshot() const {
    const std::uint64_t now_ns = clock_->now_ns();
    volume_snapshot shown;
    shown.path = options_.path;
    {
        const std::lock_guard lock(mutex_);
        shown.state = is_open_ ? "ok" : has_tried_ ? "lost" : "opening";
        shown.error = failure_ ? failure_->text : std::string();
        shown.times_lost = times_lost_;
    }
    const std::uint64_t since_ns = pending_since_ns_.load();
    shown.io_pending_ns = since_ns == 0 ? 0 : now_ns - std::min(now_ns, since_ns);
    shown.last_read_ago_ns = reads_.last_ago_ns(now_ns);
    shown.last_write_ago_ns = writes_.last_ago_ns(now_ns);
    shown.read_latency_ns_p50 = reads_.histogram.percentile_ns(0.5);
    shown.read_latency_ns_max = reads_.max_ns.load();
    shown.write_latency_ns_p50 = writes_.histogram.percentile_ns(0.5);
    shown.write_latency_ns_max = writes_.max_ns.load();
    shown.reads = reads_.count.load();
    shown.writes = writes_.count.load();
    return shown;
}

disk_thread::disk_thread(const disk_options& options, std::unique_ptr<io::device_source> source,
                         identifier identify, std::shared_ptr<volume_claims> claims,
                         std::shared_ptr<const engine::clock> clock, listener on_done)
    : worker_(std::make_shared<worker>(options, std::move(source), std::move(identify),
                                       std::move(claims), std::move(clock), std::move(on_done))) {
    worker_->start();
}

disk_thread::~disk_thread() { worker_->close(); }

void disk_thread::wait_opened(std::chrono::nanoseconds timeout) { worker_->wait_opened(timeout); }
std::optional<disk_failure> disk_thread::failure() const { return worker_->failure(); }
void disk_thread::read() { worker_->request(task::read, nullptr); }
void disk_thread::write(const format::quorum_block& block) {
    worker_->request(task::write, &block);
}
volume_snapshot disk_thread::snapshot() const { return worker_->snapshot(); }

}  // namespace diskhb::quorum
