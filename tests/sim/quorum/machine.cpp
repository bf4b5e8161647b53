// SPDX-License-Identifier: BSD-3-Clause
#include "machine.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace diskhb::quorum_sim {

using format::vote_state;

namespace {

std::uint64_t in_ns(milliseconds duration) noexcept {
    return static_cast<std::uint64_t>(duration.count()) * 1'000'000;
}

}  // namespace

std::uint64_t node_clock::when(std::uint64_t local_ns) const noexcept {
    if (local_ns == never_ns) {
        return never_ns;
    }
    if (local_ns <= offset_ns_) {
        return 0;
    }
    const auto elapsed_ns = static_cast<std::int64_t>(local_ns - offset_ns_);
    auto true_ns = static_cast<std::uint64_t>(elapsed_ns * 1'000'000 / (1'000'000 + wrong_ppm_));
    while (local(true_ns) < local_ns) {
        ++true_ns;
    }
    return true_ns;
}

machine::machine(unsigned index, const settings& common, const node_clock& clock,
                 std::vector<std::shared_ptr<io::sim_port>> ports, std::uint64_t seed, tracer trace)
    : index_(index),
      common_(common),
      clock_(clock),
      ports_(std::move(ports)),
      random_(seed),
      trace_(std::move(trace)),
      corosync_(in_ns(common.device_timeout), in_ns(common.times.sync_timeout)) {}

std::uint64_t machine::next_event_ns() const noexcept {
    if (!is_up_ || is_frozen_) {
        return never_ns;
    }
    std::uint64_t next_ns = corosync_.timer_ns();
    if (daemon_) {
        if (!daemon_->main_hangs) {
            next_ns = std::min(next_ns, daemon_->wake_ns);
            next_ns = std::min(next_ns, daemon_->news ? daemon_->news_ns : never_ns);
        }
        if (!daemon_->votes_hang) {
            next_ns =
                std::min(next_ns, daemon_->in_call ? daemon_->call_ends_ns : daemon_->next_poll_ns);
        }
    }
    return clock_.when(next_ns);
}

void machine::run(std::uint64_t now_ns) {
    if (!is_up_ || is_frozen_) {
        return;
    }
    const std::uint64_t local_ns = clock_.local(now_ns);
    corosync_.run_timer(local_ns);
    if (daemon_ && !daemon_->main_hangs) {
        run_main(local_ns);
    }
    if (daemon_ && daemon_->in_call && local_ns >= daemon_->call_ends_ns) {
        end_call(local_ns);
    }
    if (daemon_ && !daemon_->votes_hang && !daemon_->in_call) {
        run_votes(local_ns);
    }
}

void machine::run_main(std::uint64_t local_ns) {
    reap(local_ns);
    if (daemon_ && daemon_->news && local_ns >= daemon_->news_ns) {
        const quorum::ring_has_changed news = *daemon_->news;
        daemon_->news.reset();
        step(news, local_ns);
    }
    if (daemon_ && daemon_->accepted) {
        const std::uint64_t generation = *daemon_->accepted;
        daemon_->accepted.reset();
        step(quorum::poll_was_accepted{generation}, local_ns);
    }
    if (daemon_ && daemon_->stops && stop_is_pending_) {
        stop_is_pending_ = false;
        step(quorum::stop_was_asked{}, local_ns);
    }
    if (daemon_ && local_ns >= daemon_->wake_ns) {
        step(quorum::time_has_passed{}, local_ns);
    }
}

void machine::reap(std::uint64_t local_ns) {
    for (unsigned index = 0; daemon_ && index < daemon_->volumes.size(); ++index) {
        volume_io& volume = *daemon_->volumes[index];
        io::completion done;
        if (!volume.busy || volume.channel->reap(std::span(&done, 1)) == 0) {
            continue;
        }
        volume.busy = false;
        if (volume.is_write) {
            step(quorum::volume_was_written{index, done.error == 0}, local_ns);
        } else {
            const auto table =
                done.error == 0
                    ? volume.reader.read(
                          std::as_const(volume.table).span().first(volume.reader.table_bytes()))
                    : std::span<const quorum::sighting>();
            step(quorum::volume_was_read{index, volume.issued_ns, table}, local_ns);
        }
    }
}

void machine::step(const quorum::lease_input& input, std::uint64_t local_ns) {
    const quorum::lease_actions& actions = daemon_->logic.step(input, local_ns);
    for (const auto event : actions.events) {
        trace(quorum::name_of(event), daemon_->logic.block().joined.number);
    }
    for (const unsigned volume : actions.writes) {
        submit(volume, true, local_ns);
    }
    for (const unsigned volume : actions.reads) {
        submit(volume, false, local_ns);
    }
    daemon_->wake_ns = std::max(actions.wake_ns, local_ns + 1);
    if (daemon_->order.generation != daemon_->logic.vote().generation) {
        daemon_->next_poll_ns = local_ns;
        trace("order", static_cast<std::uint64_t>(daemon_->logic.vote().vote));
    }
    daemon_->order = daemon_->logic.vote();
    if (actions.slot_is_taken || actions.has_stopped) {
        trace(actions.has_stopped ? "daemon has stopped" : "slot is taken", 0);
        corosync_.unregister();
        daemon_.reset();
    }
}

void machine::submit(unsigned index, bool is_write, std::uint64_t local_ns) {
    volume_io& volume = *daemon_->volumes[index];
    const format::geometry& measures = common_.measures;
    volume.busy = true;
    volume.is_write = is_write;
    volume.issued_ns = local_ns;
    io::request wanted;
    if (is_write) {
        const auto slot = static_cast<format::slot_index>(index_);
        encode_quorum(volume.block.span().first(measures.block_bytes), measures, common_.cluster,
                      daemon_->logic.block());
        wanted = {io::operation::write, measures.quorum_offset(slot),
                  volume.block.span().first(measures.block_bytes), 0};
    } else {
        wanted = {io::operation::read, measures.quorum_offset(),
                  volume.table.span().first(volume.reader.table_bytes()), 0};
    }
    volume.channel->submit(wanted);
}

// Corosync carries the call out, whatever the thread that made it does meanwhile.
void machine::end_call(std::uint64_t local_ns) {
    daemon& each = *daemon_;
    each.in_call = false;
    const bool had_vote = has_vote();
    const bool accepted = corosync_.poll(each.call_order.ring, each.call_casts, local_ns);
    if (accepted) {
        vote_is_late_ =
            call_was_frozen_ && each.call_casts && local_ns >= each.call_order.valid_until_ns;
        late_votes_ += vote_is_late_ ? 1 : 0;
    }
    call_was_frozen_ = false;
    if (has_vote() != had_vote) {
        trace(has_vote() ? "has the vote" : "has no vote", corosync_.ring().sequence);
    }
    const bool was_followed = each.call_casts == (each.call_order.vote == vote_state::yes);
    if (accepted && was_followed) {
        each.accepted = each.call_order.generation;
        each.wake_ns = local_ns;
    }
    if (!accepted || vote_is_late_) {
        each.next_poll_ns = accepted ? local_ns : local_ns + 20'000'000;
    }
}

// Polls when the order changes, every half timeout, and when a yes has run out.
void machine::run_votes(std::uint64_t local_ns) {
    daemon& each = *daemon_;
    if (local_ns < each.next_poll_ns || !each.order.ring.known()) {
        each.next_poll_ns = each.order.ring.known() ? each.next_poll_ns : never_ns;
        return;
    }
    each.next_poll_ns = local_ns + in_ns(common_.device_timeout) / 2;
    if (each.order.vote == vote_state::undecided) {
        return;
    }
    each.call_casts = each.order.vote == vote_state::yes && local_ns < each.order.valid_until_ns;
    if (each.call_casts) {
        each.next_poll_ns = std::min(each.next_poll_ns, each.order.valid_until_ns);
    }
    each.in_call = true;
    each.call_order = each.order;
    const bool is_slow = random_.chance(0.02);
    each.call_ends_ns =
        local_ns + random_.between(50'000, is_slow ? common_.poll_slow_ns : 2'000'000);
}

void machine::change_ring(const quorum::ring_id& ring, const quorum::slot_set& members,
                          std::uint64_t now_ns) {
    const std::uint64_t local_ns = clock_.local(now_ns);
    corosync_.change_ring(ring, local_ns);
    members_ = members;
    trace("ring", ring.sequence);
    if (daemon_) {
        daemon_->news = quorum::ring_has_changed{ring, members, corosync_.is_waiting()};
        daemon_->news_ns = local_ns + random_.between(100'000, 20'000'000);
    }
}

std::string machine::describe() const {
    if (!daemon_) {
        return fmt::format("node {}: {}, no daemon", index_ + 1, is_up_ ? "up" : "down");
    }
    const format::quorum_block& block = daemon_->logic.block();
    return fmt::format(
        "node {}: ring {} vote {}; block {} state {} ready {} ring {} joined {} granting {} epoch "
        "{} "
        "order {} accepted {}",
        index_ + 1, corosync_.ring().sequence, has_vote(), block.sequence,
        static_cast<int>(block.state), block.ready, block.ring.sequence, block.joined.number,
        static_cast<int>(block.granting), block.value.epoch, static_cast<int>(daemon_->order.vote),
        block.accepted);
}

void machine::crash() {
    is_up_ = false;
    is_frozen_ = false;
    daemon_.reset();
    trace("crash", 0);
}

void machine::kill_daemon(std::uint64_t now_ns) {
    // What it has sent is carried out all the same.
    if (daemon_ && daemon_->in_call) {
        end_call(clock_.local(now_ns));
    }
    daemon_.reset();
}

void machine::boot(std::uint64_t now_ns) {
    is_up_ = true;
    corosync_ =
        votequorum_stand_in(in_ns(common_.device_timeout), in_ns(common_.times.sync_timeout));
    members_ = {};
    trace("boot", 0);
    start_daemon(now_ns);
}

void machine::thaw(std::uint64_t now_ns) {
    is_frozen_ = false;
    trace("thaw", 0);
    // Timers first: Corosync's main loop finds all of them due.
    corosync_.run_timer(clock_.local(now_ns));
    call_was_frozen_ = daemon_ && daemon_->in_call;
}

void machine::start_daemon(std::uint64_t now_ns) {
    const std::uint64_t local_ns = clock_.local(now_ns);
    quorum::lease_options options;
    options.slot = static_cast<format::slot_index>(index_);
    options.slots = common_.measures.slots;
    options.volumes = static_cast<unsigned>(ports_.size());
    options.incarnation = random_.next() | 1;
    options.times = common_.times;
    options.ties = common_.ties;
    options.score = 1;
    daemon_ = std::make_unique<daemon>(options);
    for (const auto& port : ports_) {
        auto device = io::sim_source(port).open().value();
        auto channel = device->make_channel(1);
        daemon_->volumes.push_back(std::make_unique<volume_io>(volume_io{
            std::move(device), std::move(channel), io::aligned_buffer(common_.measures.block_bytes),
            io::aligned_buffer(common_.measures.table_bytes()),
            quorum::table_reader(common_.measures, common_.cluster)}));
    }
    daemon_->wake_ns = local_ns;
    if (corosync_.ring().known()) {
        daemon_->news = quorum::ring_has_changed{corosync_.ring(), members_, false};
        daemon_->news_ns = local_ns + 1'000'000;
    }
    trace("daemon starts", options.incarnation);
}

void machine::stop_daemon(std::uint64_t now_ns) {
    if (daemon_) {
        daemon_->stops = true;
        stop_is_pending_ = true;
        daemon_->wake_ns = clock_.local(now_ns);
        trace("daemon stops", 0);
    }
}

void machine::hang_main(bool hangs) noexcept {
    if (daemon_) {
        daemon_->main_hangs = hangs;
    }
}

void machine::hang_votes(bool hangs) noexcept {
    if (daemon_) {
        daemon_->votes_hang = hangs;
    }
}

}  // namespace diskhb::quorum_sim
