// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/node.hpp"

#include <atomic>
#include <thread>

#include "engine/engine_thread.hpp"
#include "engine/node_options_check.hpp"
#include "engine/receive_area.hpp"
#include "engine/ring_engine.hpp"
#include "engine/thread_waker.hpp"
#include "io/volume.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;
using engine::is_refusal;
using engine::reopen_pause;
using engine::set_up_thread;
using engine::superblock_patience;
using engine::until;

}  // namespace

class node::implementation : public std::enable_shared_from_this<implementation> {
  public:
    implementation(std::string path, node_options options)
        : options_(checked_options(std::move(options), path)),
          source_(std::move(path), io::path_source::access::read_write,
                  engine::backend_of(options_.backend)),
          queue_(options_.queue_bytes, options_.fill_bytes,
                 {options_.routed_queue_bytes, options_.routed_flush_bytes}),
          datagrams_(options_.on_datagram ? 0 : options_.receive_bytes),
          receiver_waker_(std::make_shared<engine::thread_waker>()),
          flusher_waker_(std::make_shared<engine::thread_waker>()) {
        const engine::area_context context{&options_, &clock_, &counts_,
                                           [this] { return engine(); }};
        for (std::size_t index = 0; index < options_.receive_from.size(); ++index) {
            areas_.push_back(std::make_unique<engine::receive_area>(context, index));
        }
    }

    void start();
    void stop(std::chrono::nanoseconds patience);

    boost::system::error_code submit(std::uint32_t to, packet_type type, format::frame_kind kind,
                                     std::span<const std::byte> payload) noexcept;
    result<received> receive(std::span<std::byte> buffer,
                             std::chrono::nanoseconds timeout) noexcept {
        return datagrams_.take(buffer, timeout);
    }
    boost::system::error_code send_message(std::uint32_t to,
                                           std::span<const std::byte> payload) noexcept;
    result<received> receive_message(std::span<std::byte> buffer,
                                     std::chrono::nanoseconds timeout) noexcept;
    result<std::chrono::nanoseconds> echo(std::uint32_t to,
                                          std::chrono::nanoseconds timeout) noexcept;
    diskhb::statistics statistics() const;

  private:
    void run_receiver();
    void run_flusher();
    void start_thread(std::function<void()> body);
    void wake_receiver(std::size_t area) noexcept;

    bool open_for_reading(std::unique_ptr<io::block_device>& device,
                          std::unique_ptr<io::channel>& channel);
    bool open_for_writing(std::unique_ptr<io::block_device>& device,
                          std::unique_ptr<io::channel>& channel);
    bool accept_volume(const format::superblock& found);
    void watch_slot();
    void become(ring_state state, const std::string& error);
    void report(const boost::system::error_code& error);
    std::chrono::nanoseconds pause_before_reopening() const noexcept;
    bool is_joined() const noexcept {
        return incarnation() != 0 && !writer_lost_.load(std::memory_order_relaxed);
    }

    const node_options options_;
    io::path_source source_;
    engine::system_clock clock_;
    ring::counters counts_;
    engine::send_queue queue_;
    engine::receive_queue datagrams_;
    engine::echo_table echoes_;
    std::shared_ptr<engine::thread_waker> receiver_waker_;
    std::shared_ptr<engine::thread_waker> flusher_waker_;

    // Built by the receiver's thread when it first sees the volume, then never changed: the
    // release there pairs with the acquire in engine().
    std::unique_ptr<engine::ring_engine> engine_;
    std::vector<std::unique_ptr<engine::receive_area>> areas_;
    std::atomic<engine::ring_engine*> engine_ready_{nullptr};
    engine::ring_engine* engine() const noexcept {
        return engine_ready_.load(std::memory_order_acquire);
    }

    std::uint64_t incarnation() const noexcept {
        const engine::ring_engine* const found = engine();
        return found == nullptr ? 0 : found->incarnation();
    }

    std::atomic<bool> writer_lost_{false};
    std::atomic<bool> stopping_{false};

    mutable std::mutex state_lock_;
    ring_state state_ = ring_state::waiting_for_volume;
    std::string error_;

    std::mutex end_lock_;
    std::condition_variable ended_;
    int running_ = 0;
    std::vector<std::thread> threads_;
};

void node::implementation::start() {
    start_thread([this] { run_receiver(); });
    start_thread([this] { run_flusher(); });
    for (const auto& area : areas_) {
        start_thread([this, &each = *area] { each.run(stopping_); });
    }
}

// The thread holds this object, for it may hang in the device when all others are done with it.
void node::implementation::start_thread(std::function<void()> body) {
    {
        const std::lock_guard guard(end_lock_);
        ++running_;
    }
    threads_.emplace_back([self = shared_from_this(), body = std::move(body)] {
        body();
        const std::lock_guard guard(self->end_lock_);
        --self->running_;
        self->ended_.notify_all();
    });
}

void node::implementation::wake_receiver(std::size_t area) noexcept {
    if (area == 0) {
        receiver_waker_->wake();
    } else {
        areas_[area - 1]->wake();
    }
}

void node::implementation::stop(std::chrono::nanoseconds patience) {
    if (stopping_.exchange(true)) {
        return;
    }
    if (engine::ring_engine* const found = engine()) {
        found->close_delivery();
        found->messages().close();
    }
    datagrams_.close();
    flusher_waker_->wake();
    for (std::size_t area = 0; area <= areas_.size(); ++area) {
        wake_receiver(area);
    }
    std::unique_lock guard(end_lock_);
    const bool all_ended = ended_.wait_for(guard, patience, [this] { return running_ == 0; });
    guard.unlock();
    for (std::thread& each : threads_) {
        if (all_ended) {
            each.join();
        } else {
            each.detach();  // it hangs in the device; it holds this object until it returns
        }
    }
    become(ring_state::stopped, {});
    for (const auto& each : areas_) {
        each->on_stopped();
    }
}

void node::implementation::run_receiver() {
    set_up_thread("dhb-receiver");
    std::unique_ptr<io::block_device> device;
    std::unique_ptr<io::channel> channel;
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (!channel && !open_for_reading(device, channel)) {
            receiver_waker_->wait(pause_before_reopening());
            continue;
        }
        engine::receiver& receiver = *engine_->receiver(0);
        const std::uint64_t next_ns = receiver.step(clock_.now_ns());
        watch_slot();
        if (receiver.lost()) {
            counts_.add(counter::volume_losses);
            become(ring_state::volume_lost, source_.name() + ": reading failed");
            receiver.detach();
            receiver_waker_->use(nullptr);
            channel.reset();
            device.reset();
            receiver_waker_->wait(reopen_pause);
            continue;
        }
        const std::uint64_t now_ns = clock_.now_ns();
        if (next_ns > now_ns) {
            receiver_waker_->wait(until(next_ns, now_ns));
        }
    }
    receiver_waker_->use(nullptr);
}

bool node::implementation::open_for_reading(std::unique_ptr<io::block_device>& device,
                                            std::unique_ptr<io::channel>& channel) {
    auto opened = io::open_volume(source_, options_.cluster_name, superblock_patience);
    if (!opened) {
        report(opened.error());
        return false;
    }
    if (!accept_volume(opened->superblock)) {
        return false;
    }
    device = std::move(opened->device);
    channel = device->make_channel(engine::receiver::channel_depth);
    engine_->receiver(0)->attach(*channel);
    receiver_waker_->use(channel.get());
    const bool returned = incarnation() != 0;
    if (returned) {
        counts_.add(counter::volume_returns);
    }
    become(returned ? ring_state::running : ring_state::watching_slot, {});
    return true;
}

bool node::implementation::accept_volume(const format::superblock& found) {
    if (engine_) {
        if (engine_->superblock().cluster != found.cluster ||
            engine_->superblock().measures != found.measures) {
            report(errc::volume_changed);
            return false;
        }
        return true;
    }
    try {
        engine_ = std::make_unique<engine::ring_engine>(
            engine::ring_context{&options_,
                                 &clock_,
                                 &queue_,
                                 &datagrams_,
                                 &echoes_,
                                 &counts_,
                                 [this](std::size_t area) { wake_receiver(area); },
                                 {}},
            found);
    } catch (const setup_error& error) {
        become(ring_state::refused, error.what());
        return false;
    }
    engine_->board().set_flusher(flusher_waker_);
    engine_ready_.store(engine_.get(), std::memory_order_release);
    flusher_waker_->wake();
    for (const auto& each : areas_) {
        each->wake();
    }
    return true;
}

void node::implementation::watch_slot() {
    using slot_change = engine::ring_engine::slot_change;
    switch (engine_->watch_slot()) {
        case slot_change::none:
            break;
        case slot_change::joined:
            flusher_waker_->wake();
            become(ring_state::running, {});
            break;
        case slot_change::in_use:
            report(errc::slot_in_use);
            break;
        case slot_change::stolen:
            flusher_waker_->wake();
            report(errc::slot_stolen);
            break;
    }
}

void node::implementation::run_flusher() {
    set_up_thread("dhb-flusher");
    std::unique_ptr<io::block_device> device;
    std::unique_ptr<io::channel> channel;
    for (;;) {
        const bool stopping = stopping_.load(std::memory_order_relaxed);
        engine::ring_engine* const found = engine();
        if (found != nullptr) {
            found->flusher().follow(found->incarnation());
        }
        if (found == nullptr || (found->flusher().incarnation() == 0 && !found->flusher().busy())) {
            if (stopping) {
                break;
            }
            flusher_waker_->wait(1s);
            continue;
        }
        engine::flusher& flusher = found->flusher();
        if (!channel && (stopping || !open_for_writing(device, channel))) {
            if (stopping) {
                break;
            }
            flusher_waker_->wait(reopen_pause);
            continue;
        }
        if (stopping) {
            flusher.say_farewell();
        }
        const std::uint64_t next_ns = flusher.step(clock_.now_ns());
        if (flusher.said_farewell()) {
            break;
        }
        if (flusher.lost()) {
            writer_lost_.store(true, std::memory_order_relaxed);
            flusher.detach();
            flusher_waker_->use(nullptr);
            channel.reset();
            device.reset();
            flusher_waker_->wait(stopping ? 0ns : reopen_pause);
            continue;
        }
        writer_lost_.store(false, std::memory_order_relaxed);
        const std::uint64_t now_ns = clock_.now_ns();
        if (next_ns > now_ns) {
            flusher_waker_->wait(until(next_ns, now_ns));
        }
    }
    flusher_waker_->use(nullptr);
}

bool node::implementation::open_for_writing(std::unique_ptr<io::block_device>& device,
                                            std::unique_ptr<io::channel>& channel) {
    auto opened = io::open_volume(source_, options_.cluster_name, superblock_patience);
    if (!opened || opened->superblock.cluster != engine_->superblock().cluster ||
        opened->superblock.measures != engine_->superblock().measures) {
        return false;  // the receiver's thread says why
    }
    device = std::move(opened->device);
    channel = device->make_channel(2);
    engine_->flusher().attach(*channel, flusher_waker_);
    flusher_waker_->use(channel.get());
    return true;
}

void node::implementation::become(ring_state state, const std::string& error) {
    const std::lock_guard guard(state_lock_);
    state_ = state;
    error_ = error;
}

void node::implementation::report(const boost::system::error_code& error) {
    const ring_state missing =
        incarnation() != 0 ? ring_state::volume_lost : ring_state::waiting_for_volume;
    become(is_refusal(error) ? ring_state::refused : missing,
           source_.name() + ": " + error.message());
}

std::chrono::nanoseconds node::implementation::pause_before_reopening() const noexcept {
    const std::lock_guard guard(state_lock_);
    return state_ == ring_state::refused ? engine::refused_pause : reopen_pause;
}

boost::system::error_code node::implementation::submit(
    std::uint32_t to, packet_type type, format::frame_kind kind,
    std::span<const std::byte> payload) noexcept {
    const auto drop = [this](counter why, errc error) {
        counts_.add(why);
        return make_error_code(error);
    };
    if (stopping_.load(std::memory_order_relaxed)) {
        return errc::closed;
    }
    if (payload.size() > max_datagram_bytes) {
        return drop(counter::dropped_too_long, errc::too_long);
    }
    if (!is_joined()) {
        return drop(counter::dropped_not_joined, errc::not_joined);
    }
    if (to > engine()->slots() || to == options_.node_id) {
        return errc::no_such_node;
    }
    const format::frame frame{.destination = to == every_node
                                                 ? format::every_slot
                                                 : static_cast<format::slot_index>(to - 1),
                              .kind = kind,
                              .submitted_ns = clock_.now_ns(),
                              .payload = payload};
    if (const auto error = queue_.submit(type, frame)) {
        return drop(counter::dropped_full, errc::full);
    }
    counts_.add(counter::frames_submitted);
    counts_.add(counter::bytes_submitted, payload.size());
    return {};
}

boost::system::error_code node::implementation::send_message(
    std::uint32_t to, std::span<const std::byte> payload) noexcept {
    if (stopping_.load(std::memory_order_relaxed)) {
        return errc::closed;
    }
    if (payload.size() > max_message_bytes) {
        return errc::too_long;
    }
    if (!is_joined()) {
        return errc::not_joined;
    }
    if (to == 0 || to > engine()->slots() || to == options_.node_id) {
        return errc::no_such_node;
    }
    return engine()->messages().send(static_cast<format::slot_index>(to - 1), payload);
}

result<received> node::implementation::receive_message(std::span<std::byte> buffer,
                                                       std::chrono::nanoseconds timeout) noexcept {
    if (engine() == nullptr) {
        return errc::not_joined;
    }
    return engine()->messages().receive(buffer, timeout);
}

result<std::chrono::nanoseconds> node::implementation::echo(
    std::uint32_t to, std::chrono::nanoseconds timeout) noexcept {
    if (to == every_node) {
        return errc::no_such_node;
    }
    const std::uint64_t token = echoes_.begin(clock_.now_ns());
    if (token == 0) {
        return errc::full;
    }
    const auto error = submit(to, packet_type::control, format::frame_kind::echo_request,
                              std::as_bytes(std::span(&token, 1)));
    const auto took = echoes_.wait(token, error ? std::chrono::nanoseconds(0) : timeout);
    if (error) {
        return error;
    }
    return took;
}

diskhb::statistics node::implementation::statistics() const {
    diskhb::statistics now;
    now.volume = source_.name();
    now.incarnation = incarnation();
    {
        const std::lock_guard guard(state_lock_);
        now.state = state_;
        now.ring_error = error_;
    }
    if (now.state == ring_state::running && writer_lost_.load(std::memory_order_relaxed)) {
        now.state = ring_state::volume_lost;
        now.ring_error = source_.name() + ": writing failed";
    }
    for (std::size_t index = 0; index < counter_count; ++index) {
        now.counters[index] = counts_.get(static_cast<counter>(index));
    }
    now.memory_bytes = queue_.memory_bytes() + datagrams_.memory_bytes();
    if (engine::ring_engine* const found = engine()) {
        const std::uint64_t now_ns = clock_.now_ns();
        const auto nanoseconds = [](std::uint64_t value) {
            return std::chrono::nanoseconds(value);
        };
        const auto& writes = found->flusher().write_latency();
        const auto& reads = found->receiver(0)->read_latency();
        now.cluster_name = found->superblock().cluster_name;
        now.memory_bytes += found->memory_bytes();
        now.write_latency_p50 = nanoseconds(writes.percentile_ns(0.5));
        now.write_latency_p99 = nanoseconds(writes.percentile_ns(0.99));
        now.read_latency_p50 = nanoseconds(reads.percentile_ns(0.5));
        now.read_latency_p99 = nanoseconds(reads.percentile_ns(0.99));
        now.io_pending = nanoseconds(
            std::max(found->flusher().pending_ns(now_ns), found->receiver(0)->pending_ns(now_ns)));
        now.peers = found->peers(now_ns);
    }
    for (const auto& each : areas_) {
        now.receive_areas.push_back(each->status());
        if (now.ring_error.empty() && now.state == ring_state::running) {
            now.ring_error = now.receive_areas.back().error;
        }
    }
    return now;
}

node::node(std::string volume_path, node_options options)
    : implementation_(
          std::make_shared<implementation>(std::move(volume_path), std::move(options))) {}

node::~node() { stop(); }

void node::start() { implementation_->start(); }

void node::stop(std::chrono::nanoseconds patience) { implementation_->stop(patience); }

boost::system::error_code node::submit(std::uint32_t to, packet_type type,
                                       std::span<const std::byte> payload) noexcept {
    return implementation_->submit(to, type, format::frame_kind::datagram, payload);
}

result<received> node::receive(std::span<std::byte> buffer,
                               std::chrono::nanoseconds timeout) noexcept {
    return implementation_->receive(buffer, timeout);
}

boost::system::error_code node::send_message(std::uint32_t to,
                                             std::span<const std::byte> payload) noexcept {
    return implementation_->send_message(to, payload);
}

result<received> node::receive_message(std::span<std::byte> buffer,
                                       std::chrono::nanoseconds timeout) noexcept {
    return implementation_->receive_message(buffer, timeout);
}

result<std::chrono::nanoseconds> node::echo(std::uint32_t to,
                                            std::chrono::nanoseconds timeout) noexcept {
    return implementation_->echo(to, timeout);
}

statistics node::statistics() const { return implementation_->statistics(); }

}  // namespace diskhb
