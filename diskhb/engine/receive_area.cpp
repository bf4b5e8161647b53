// SPDX-License-Identifier: BSD-3-Clause
#include "engine/receive_area.hpp"

#include "engine/engine_thread.hpp"
#include "io/volume.hpp"

namespace diskhb::engine {

receive_area::receive_area(const area_context& context, std::size_t index)
    : context_(context),
      index_(index),
      // A copy is somebody else's to write.
      source_(context.options->receive_from[index].path, io::path_source::access::read_only,
              backend_of(context.options->backend)) {}

void receive_area::run(const std::atomic<bool>& stopping) {
    set_up_thread("dhb-copy");
    while (!stopping.load(std::memory_order_relaxed)) {
        if (!channel_ && !open()) {
            waker_->wait(status().state == ring_state::refused ? refused_pause : reopen_pause);
            continue;
        }
        if (!step()) {
            become(ring_state::volume_lost, wanted().path + ": reading failed");
            context_.counts->add(counter::volume_losses);
            close();
            waker_->wait(reopen_pause);
        }
    }
    waker_->use(nullptr);
    channel_.reset();
    device_.reset();
}

// False if the device failed.
bool receive_area::step() {
    engine::receiver& receiver = *context_.engine()->receiver(area());
    const std::uint64_t next_ns = receiver.step(context_.time->now_ns());
    if (receiver.lost()) {
        return false;
    }
    const std::uint64_t now_ns = context_.time->now_ns();
    if (next_ns > now_ns) {
        waker_->wait(until(next_ns, now_ns));
    }
    return true;
}

bool receive_area::open() {
    ring_engine* const engine = context_.engine();
    if (engine == nullptr) {
        return false;  // the send volume says what this one must be like
    }
    auto opened = io::open_volume(source_, {}, superblock_patience);
    if (!opened) {
        report(opened.error());
        return false;
    }
    if (const auto error = engine->accept_area(area(), opened->superblock)) {
        report(error);
        return false;
    }
    device_ = std::move(opened->device);
    channel_ = device_->make_channel(receiver::channel_depth);
    engine->receiver(area())->attach(*channel_);
    waker_->use(channel_.get());
    if (was_open_) {
        context_.counts->add(counter::volume_returns);
    }
    was_open_ = true;
    become(ring_state::running, {});
    const std::lock_guard guard(lock_);
    uuid_ = format::to_string(opened->superblock.cluster);
    return true;
}

void receive_area::close() noexcept {
    context_.engine()->receiver(area())->detach();
    waker_->use(nullptr);
    channel_.reset();
    device_.reset();
}

void receive_area::become(ring_state state, const std::string& error) {
    const std::lock_guard guard(lock_);
    state_ = state;
    error_ = error;
}

void receive_area::report(const boost::system::error_code& error) {
    const ring_state missing = was_open_ ? ring_state::volume_lost : ring_state::waiting_for_volume;
    become(is_refusal(error) ? ring_state::refused : missing,
           wanted().path + ": " + error.message());
}

void receive_area::on_stopped() { become(ring_state::stopped, {}); }

receive_area_status receive_area::status() const {
    receive_area_status now;
    now.volume = wanted().path;
    now.nodes = wanted().nodes;
    {
        const std::lock_guard guard(lock_);
        now.state = state_;
        now.error = error_;
        now.volume_uuid = uuid_;
    }
    ring_engine* const engine = context_.engine();
    const engine::receiver* const found = engine == nullptr ? nullptr : engine->receiver(area());
    if (found != nullptr) {
        const std::uint64_t now_ns = context_.time->now_ns();
        const std::uint64_t seen_ns = found->table_seen_ns();
        const auto& reads = found->read_latency();
        now.read_latency_p50 = std::chrono::nanoseconds(reads.percentile_ns(0.5));
        now.read_latency_p99 = std::chrono::nanoseconds(reads.percentile_ns(0.99));
        now.io_pending = std::chrono::nanoseconds(found->pending_ns(now_ns));
        now.table_seen_ago =
            std::chrono::nanoseconds(seen_ns == 0 || seen_ns > now_ns ? 0 : now_ns - seen_ns);
    }
    return now;
}

}  // namespace diskhb::engine
