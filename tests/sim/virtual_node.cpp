// SPDX-License-Identifier: BSD-3-Clause
#include "virtual_node.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/sim_random.hpp"

namespace diskhb::sim {
namespace {

constexpr std::uint64_t reopen_pause_ns = 250'000'000;  // as in node.cpp

struct flag_waker final : engine::waker {
    void wake() noexcept override { woken = true; }
    bool woken = false;
};

}  // namespace

std::uint64_t skewed_clock::real_ns(std::uint64_t time_ns) const noexcept {
    if (time_ns <= now_ns()) {
        return real_->now_ns();
    }
    const std::uint64_t ahead_ns = time_ns - now_ns();
    // Beyond any simulation: keeps the arithmetic below in range.
    if (ahead_ns > 1'000'000'000'000) {
        return io::sim_never_ns;
    }
    std::uint64_t real =
        real_->now_ns() + static_cast<std::uint64_t>(static_cast<std::int64_t>(ahead_ns) *
                                                     1'000'000 / (1'000'000 + rate_ppm_));
    while (at(real) < time_ns) {
        ++real;
    }
    return real;
}

// What dies with a crash.
struct virtual_node::process {
    // One that reads from an area.
    struct reading {
        std::shared_ptr<flag_waker> waker = std::make_shared<flag_waker>();
        std::unique_ptr<test::guarded_channel> channel;
        std::uint64_t due_ns = 0;  // by the node's clock
    };

    process(const node_options& options, ring::counters& counts)
        : counters(&counts),
          queue(options.queue_bytes, options.fill_bytes,
                {options.queue_bytes, options.routed_flush_bytes}),
          readers(1 + options.receive_from.size()) {}

    ring::counters* counters;
    engine::send_queue queue;
    engine::receive_queue datagrams{0};
    engine::echo_table echoes;
    std::shared_ptr<flag_waker> flusher_waker = std::make_shared<flag_waker>();
    std::unique_ptr<engine::ring_engine> engine;
    std::vector<reading> readers;  // one an area
    std::unique_ptr<test::guarded_channel> writer;
    std::uint64_t flusher_due_ns = 0;  // by the node's clock
    bool is_writer_lost = false;
    bool is_stopping = false;
    bool has_ended = false;
};

virtual_node::virtual_node(const node_plan& plan, test::sim_ring& ring, oracle& judge,
                           const std::vector<test::sim_ring*>& copies)
    : plan_(plan),
      ring_(&ring),
      judge_(&judge),
      areas_{{&ring, ring.make_port(plan.seed)}},
      random_(plan.seed + 1),
      clock_(ring.clock(), plan.clock_offset_ns, plan.clock_rate_ppm),
      buffer_(max_message_bytes) {
    for (test::sim_ring* const each : copies) {
        areas_.push_back({each, each->make_port(plan.seed + 1 + areas_.size())});
    }
    plan_.options.on_datagram = [this](std::uint32_t from, std::span<const std::byte> payload) {
        judge_->datagram_delivered(id(), from, payload, ring_->now_ns());
    };
}

virtual_node::~virtual_node() { end_process(); }

void virtual_node::start() {
    judge_->receiver_restarted(id());
    process_ = std::make_unique<process>(plan_.options, counts_);
}

void virtual_node::close(std::unique_ptr<test::guarded_channel>& channel) {
    if (channel) {
        strays_ += channel->strays;
        channel.reset();
    }
}

void virtual_node::end_process() {
    if (process_) {
        for (auto& each : process_->readers) {
            close(each.channel);
        }
        close(process_->writer);
        process_.reset();
    }
}

bool virtual_node::crash() {
    const bool was_writing = process_->engine && process_->engine->flusher().busy();
    if (was_writing && random_.chance(0.5)) {
        port().tear_in_flight();
    }
    end_process();
    return was_writing;
}

void virtual_node::stop() {
    process_->is_stopping = true;
    process_->flusher_due_ns = 0;
    if (process_->engine) {
        process_->engine->close_delivery();
    }
}

bool virtual_node::is_stopping() const { return process_ && process_->is_stopping; }

bool virtual_node::is_running() const {
    return process_ && process_->engine && process_->engine->incarnation() != 0 &&
           std::all_of(process_->readers.begin(), process_->readers.end(),
                       [](const auto& each) { return each.channel != nullptr; }) &&
           process_->writer && !is_frozen();
}

bool virtual_node::is_whole() const {
    if (!is_running()) {
        return false;
    }
    const auto all = peers();
    return std::all_of(all.begin(), all.end(), [](const peer_status& peer) {
        const bool is_heard = peer.state == peer_state::alive || peer.state == peer_state::late;
        return is_heard && peer.acknowledges_us;
    });
}

std::vector<peer_status> virtual_node::peers() const {
    if (!process_ || !process_->engine) {
        return {};
    }
    return process_->engine->peers(clock_.now_ns());
}

std::string virtual_node::describe() const {
    if (!process_) {
        return fmt::format("node {} is down", id());
    }
    if (!process_->engine) {
        return fmt::format("node {} has no volume", id());
    }
    auto text = fmt::format("node {}: incarnation {:x}, reader {}, writer {}, peers", id(),
                            process_->engine->incarnation(),
                            process_->readers[0].channel != nullptr, process_->writer != nullptr);
    for (const auto& peer : peers()) {
        text += fmt::format(" {}:{}{}{}:{:x}", peer.node_id, peer_state_name(peer.state),
                            peer.acknowledges_us ? "+ack" : "", peer.hears_us ? "+hears" : "",
                            peer.incarnation);
    }
    for (const auto each : {counter::dropped_expired_send, counter::dropped_expired_receive,
                            counter::lost_gap, counter::rejected_stale}) {
        text += fmt::format(", {} {}", counter_name(each), count(each));
    }
    return text + (process_->is_stopping ? ", stopping" : "");
}

std::uint64_t virtual_node::count(counter which) const { return counts_.get(which); }

std::uint64_t virtual_node::next_ns() const {
    if (!process_) {
        return io::sim_never_ns;
    }
    if (is_frozen()) {
        return frozen_until_ns_;
    }
    std::uint64_t due_ns = process_->flusher_due_ns;
    bool is_woken = process_->flusher_waker->woken;
    for (const auto& each : process_->readers) {
        due_ns = std::min(due_ns, each.due_ns);
        is_woken = is_woken || each.waker->woken;
    }
    return is_woken ? ring_->now_ns() : clock_.real_ns(due_ns);
}

// Whether a thread has something to do: the flusher, or that of an area.
bool virtual_node::is_due(std::size_t thread) {
    process& own = *process_;
    if (thread == areas_.size()) {
        const bool is_busy = own.engine && own.engine->flusher().busy();
        return std::exchange(own.flusher_waker->woken, false) || is_busy ||
               own.flusher_due_ns <= clock_.now_ns();
    }
    auto& reader = own.readers[thread];
    const bool is_busy = reader.channel && own.engine->receiver(thread)->busy();
    return std::exchange(reader.waker->woken, false) || is_busy || reader.due_ns <= clock_.now_ns();
}

void virtual_node::step() {
    if (!process_ || is_frozen()) {
        return;
    }
    // Any thread may be the first to get the processor.
    const std::size_t threads = areas_.size() + 1;
    const std::size_t first = random_.below(threads);
    for (std::size_t turn = 0; turn < threads; ++turn) {
        const std::size_t thread = (first + turn) % threads;
        if (!is_due(thread)) {
            continue;
        }
        if (thread == areas_.size()) {
            step_flusher();
        } else {
            step_receiver(thread);
        }
        if (process_->has_ended) {
            end_process();
            return;
        }
    }
}

void virtual_node::step_receiver(std::size_t area) {
    process& own = *process_;
    auto& reader = own.readers[area];
    if (!reader.channel && !open_for_reading(area)) {
        reader.due_ns = clock_.now_ns() + reopen_pause_ns;
        return;
    }
    engine::receiver& receiver = *own.engine->receiver(area);
    for (int steps = 0;; ++steps) {
        reader.due_ns = receiver.step(clock_.now_ns());
        if (area == 0) {
            on_slot_change();
        }
        if (receiver.lost()) {
            counts_.add(counter::volume_losses);
            receiver.detach();
            close(reader.channel);
            reader.due_ns = clock_.now_ns() + reopen_pause_ns;
            return;
        }
        if (reader.due_ns > clock_.now_ns()) {
            return;
        }
        if (steps == 1000) {
            judge_->violated(fmt::format("receiver {} of node {} does not sleep", area, id()));
            reader.due_ns = clock_.now_ns() + reopen_pause_ns;
            return;
        }
    }
}

void virtual_node::on_slot_change() {
    process& own = *process_;
    const std::uint64_t life = own.engine->incarnation();
    using slot_change = engine::ring_engine::slot_change;
    const slot_change change = own.engine->watch_slot();
    if (change == slot_change::joined || change == slot_change::stolen) {
        judge_->trace(own.engine->incarnation());
        own.flusher_waker->wake();
    }
    if (change == slot_change::stolen) {
        while (const auto got = own.engine->messages().receive(buffer_, {})) {
            judge_->message_delivered(id(), life, got->from,
                                      std::span(buffer_).first(got->size_bytes));
        }
    }
}

void virtual_node::make_engine() {
    process& own = *process_;
    engine::ring_context context;
    context.options = &plan_.options;
    context.time = &clock_;
    context.queue = &own.queue;
    context.datagrams = &own.datagrams;
    context.echoes = &own.echoes;
    context.counts = own.counters;
    context.wake_receiver = [&own](std::size_t area) { own.readers[area].waker->wake(); };
    context.start = plan_.start;
    context.draw_incarnation = [this] { return random_.next() | 1; };
    own.engine = std::make_unique<engine::ring_engine>(context, ring_->content());
    own.engine->board().set_flusher(own.flusher_waker);
}

bool virtual_node::open_for_reading(std::size_t area) {
    process& own = *process_;
    if (areas_[area].port->open_error() != 0) {
        return false;
    }
    if (area != 0) {
        if (!own.engine || own.engine->accept_area(area, areas_[area].ring->content())) {
            return false;
        }
    } else if (!own.engine) {
        make_engine();
    }
    own.readers[area].channel =
        areas_[area].ring->open(areas_[area].port, static_cast<format::slot_index>(id() - 1),
                                engine::receiver::channel_depth);
    own.engine->receiver(area)->attach(*own.readers[area].channel);
    if (own.engine->incarnation() != 0) {
        counts_.add(counter::volume_returns);
    }
    return true;
}

void virtual_node::step_flusher() {
    process& own = *process_;
    own.flusher_due_ns = engine::never_ns;
    if (!own.engine) {
        own.has_ended = own.is_stopping;
        return;
    }
    engine::flusher& flusher = own.engine->flusher();
    for (int steps = 0;; ++steps) {
        flusher.follow(own.engine->incarnation());
        if (flusher.incarnation() == 0 && !flusher.busy()) {
            own.has_ended = own.is_stopping;
            return;
        }
        if (!own.writer && (own.is_stopping || !open_for_writing())) {
            own.has_ended = own.is_stopping;
            own.flusher_due_ns = clock_.now_ns() + reopen_pause_ns;
            return;
        }
        if (own.is_stopping) {
            flusher.say_farewell();
        }
        own.flusher_due_ns = flusher.step(clock_.now_ns());
        if (flusher.said_farewell()) {
            own.has_ended = true;
            return;
        }
        own.is_writer_lost = flusher.lost();
        if (flusher.lost()) {
            flusher.detach();
            close(own.writer);
            own.flusher_due_ns = clock_.now_ns() + (own.is_stopping ? 0 : reopen_pause_ns);
            return;
        }
        if (own.flusher_due_ns > clock_.now_ns()) {
            return;
        }
        if (steps == 1000) {
            judge_->violated(fmt::format("the flusher of node {} does not sleep", id()));
            own.flusher_due_ns = clock_.now_ns() + reopen_pause_ns;
            return;
        }
    }
}

bool virtual_node::open_for_writing() {
    if (port().open_error() != 0) {
        return false;
    }
    process_->writer = ring_->open(areas_[0].port, static_cast<format::slot_index>(id() - 1), 2);
    process_->engine->flusher().attach(*process_->writer, process_->flusher_waker);
    return true;
}

bool virtual_node::send_datagram(std::uint32_t to, packet_type type, std::size_t size) {
    if (!process_ || is_frozen() || process_->is_stopping || !process_->engine ||
        process_->engine->incarnation() == 0 || process_->is_writer_lost) {
        return false;
    }
    const letter to_send{id(), to, process_->engine->incarnation(), type};
    const auto payload = judge_->write_datagram(to_send, size, ring_->now_ns());
    const format::frame frame{.destination = to == every_node
                                                 ? format::every_slot
                                                 : static_cast<format::slot_index>(to - 1),
                              .kind = format::frame_kind::datagram,
                              .submitted_ns = clock_.now_ns(),
                              .payload = payload};
    if (process_->queue.submit(type, frame)) {
        counts_.add(counter::dropped_full);
        return false;
    }
    judge_->sent();
    return true;
}

bool virtual_node::send_message(std::uint32_t to, std::size_t size) {
    if (!process_ || is_frozen() || process_->is_stopping || !process_->engine ||
        process_->engine->incarnation() == 0 || process_->is_writer_lost) {
        return false;
    }
    const letter to_send{id(), to, process_->engine->incarnation(), packet_type::cluster};
    const auto payload = judge_->write_message(to_send, size, ring_->now_ns());
    if (process_->engine->messages().send(static_cast<format::slot_index>(to - 1), payload)) {
        return false;
    }
    judge_->sent();
    return true;
}

void virtual_node::take_messages() {
    if (!process_ || is_frozen() || !process_->engine) {
        return;
    }
    while (const auto got = process_->engine->messages().receive(buffer_, {})) {
        judge_->message_delivered(id(), process_->engine->incarnation(), got->from,
                                  std::span(buffer_).first(got->size_bytes));
    }
}

}  // namespace diskhb::sim
