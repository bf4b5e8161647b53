// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <algorithm>

#include "channel_world.hpp"

namespace diskhb::sim {

using namespace diskhb::channels;

channel_end::channel_end(channel_world& world, int number, const end_settings& settings)
    : world_(world), us_(number), settings_(settings) {}

std::uint64_t channel_end::local_ns() const {
    return static_cast<std::uint64_t>(static_cast<double>(world_.time.now_ns()) *
                                      settings_.clock_rate);
}

void channel_end::when_awake(std::uint64_t life, std::function<void()> what) {
    if (thaws_ns_ > world_.time.now_ns() || !deferred_.empty()) {
        deferred_.push_back({life, std::move(what)});
        if (deferred_.size() == 1) {
            world_.time.at(thaws_ns_, [this] { thaw(); });
        }
    } else if (life == life_) {
        what();
    }
}

void channel_end::thaw() {
    if (thaws_ns_ > world_.time.now_ns()) {  // frozen again meanwhile
        world_.time.at(thaws_ns_, [this] { thaw(); });
        return;
    }
    while (!deferred_.empty()) {
        const auto next = std::move(deferred_.front());
        deferred_.pop_front();
        if (next.life == life_) {
            next.what();
        }
    }
}

void channel_end::freeze(std::uint64_t for_ns) {
    thaws_ns_ = std::max(thaws_ns_, world_.time.now_ns() + for_ns);
}

void channel_end::start() { begin_life(); }

void channel_end::begin_life() {
    life_ = world_.random.next() | 1;
    session_ = std::make_unique<channels::session>(
        session_options{life_, settings_.heartbeat_ns, settings_.window_bytes}, local_ns());
    number_ = first_due_ = 0;
    is_taking_ = false;
    // Before the other side's window is known; it may be a smaller one.
    while (settings_.fills_window && !send_one()) {
    }
    tick(life_);
    world_.time.after(settings_.send_ns, [this, life = life_] { send_next(life); });
    if (us_ == 1) {
        connect(path::network, life_);
        connect(path::volume, life_);
    }
}

void channel_end::restart() {
    for (const path which : {path::network, path::volume}) {
        former_.push_back(our_hello(which));
        close_held(which);
    }
    for (auto& each : strangers_) {
        world_.close(each->link, us_);
    }
    strangers_.clear();
    inbox_.clear();
    thaws_ns_ = 0;
    deferred_.clear();
    begin_life();
}

channels::hello channel_end::our_hello(path which) const {
    hello ours;
    ours.cluster_name = "sim";
    ours.from = {static_cast<std::uint32_t>(us_ + 1), "end"};
    ours.to = {static_cast<std::uint32_t>(2 - us_), "end"};
    ours.which = which;
    session_->fill(ours);
    return ours;
}

void channel_end::tick(std::uint64_t life) {
    when_awake(life, [this, life] {
        const auto given_up = session_->on_time(local_ns());
        for (const path which : {path::network, path::volume}) {
            if (given_up[index_of(which)]) {
                lose(which);
            }
        }
        settle();
        const auto next = static_cast<std::uint64_t>(static_cast<double>(session_->next_time_ns()) /
                                                     settings_.clock_rate);
        world_.time.at(std::max(next, world_.time.now_ns() + 1), [this, life] { tick(life); });
    });
}

void channel_end::connect(path which, std::uint64_t life) {
    if (life != life_) {
        return;
    }
    const auto period = return_beats * settings_.heartbeat_ns;
    world_.time.after(period, [this, which, life] { connect(which, life); });
    if (held_.at(index_of(which)) || thaws_ns_ > world_.time.now_ns()) {
        return;
    }
    for (auto it = strangers_.begin(); it != strangers_.end();) {
        const bool is_late = (*it)->link->which == which;
        if (is_late) {
            world_.close((*it)->link, us_);
        }
        it = is_late ? strangers_.erase(it) : std::next(it);
    }
    const auto& way = world_.roads.at(index_of(which));
    if (way.is_cut[0] || way.is_cut[1]) {
        return;  // the handshake of TCP does not get through
    }
    auto link = std::make_shared<sim_connection>();
    link->which = which;
    world_.connections[link.get()] = link;
    auto ours = std::make_unique<held>();
    ours->link = link;
    ours->unwritten = encode_hello(our_hello(which));
    world_.ends[0]->accept(link);
    pump(*ours);
    strangers_.push_back(std::move(ours));
}

void channel_end::accept(const std::shared_ptr<sim_connection>& from) {
    auto theirs = std::make_unique<held>();
    theirs->link = from;
    strangers_.push_back(std::move(theirs));
    if (strangers_.size() > 8) {
        world_.close(strangers_.front()->link, us_);
        strangers_.erase(strangers_.begin());
    }
}

channel_end::held* channel_end::holder_of(const sim_connection* link) {
    for (auto& each : held_) {
        if (each && each->link.get() == link) {
            return each.get();
        }
    }
    for (auto& each : strangers_) {
        if (each->link.get() == link) {
            return each.get();
        }
    }
    return nullptr;
}

void channel_end::close_held(path which) {
    auto& one = held_.at(index_of(which));
    if (one) {
        world_.close(one->link, us_);
        one.reset();
    }
}

void channel_end::lose(path which) {
    close_held(which);
    session_->on_closed(which);
}

void channel_end::reset(path which) {
    if (held_.at(index_of(which))) {
        lose(which);
        settle();
    }
}

void channel_end::on_closed(const std::shared_ptr<sim_connection>& on) {
    when_awake(life_, [this, on] {
        std::erase_if(strangers_, [&](const auto& each) { return each->link == on; });
        auto& one = held_.at(index_of(on->which));
        if (one && one->link == on) {
            lose(on->which);
            settle();
        }
    });
}

void channel_end::on_room(const std::shared_ptr<sim_connection>& on) {
    when_awake(life_, [this, on] {
        if (auto* const still = holder_of(on.get())) {
            pump(*still);
        }
    });
}

void channel_end::take_bytes(held& from, std::vector<std::byte>& bytes) {
    std::span<const std::byte> rest(bytes);
    const auto link = from.link;
    bool is_sound = from.is_greeted || take_hello(from, rest);
    auto* still = holder_of(link.get());
    while (is_sound && still != nullptr && still->is_greeted && !rest.empty()) {
        const auto room = still->in.room();
        const auto size = std::min(room.size(), rest.size());
        std::copy_n(rest.begin(), size, room.begin());
        rest = rest.subspan(size);
        still->in.filled(size);
        session_->on_bytes(link->which, size);
        is_sound = take_frames(*still);
        still = holder_of(link.get());
    }
    if (!is_sound && still != nullptr) {
        if (still->is_greeted) {
            lose(link->which);
        } else {
            world_.close(link, us_);
            std::erase_if(strangers_, [&](const auto& each) { return each->link == link; });
        }
    }
    settle();
}

bool channel_end::take_hello(held& from, std::span<const std::byte>& bytes) {
    auto& so_far = from.hello_bytes;
    while (!bytes.empty()) {
        so_far.push_back(bytes.front());
        bytes = bytes.subspan(1);
        if (so_far.size() >= hello_prefix_bytes) {
            const auto whole = hello_length(so_far);
            if (!whole) {
                return false;
            }
            if (so_far.size() == *whole) {
                const auto theirs = decode_hello(so_far);
                const auto ours = our_hello(from.link->which);
                if (!theirs || theirs->from != ours.to || theirs->to != ours.from ||
                    theirs->which != ours.which) {
                    return false;
                }
                if (us_ == 1 || from.has_answered) {
                    return greet(from, *theirs);
                }
                from.has_answered = true;
                so_far.clear();
                from.unwritten = encode_hello(ours);
                pump(from);
            }
        }
    }
    return true;
}

bool channel_end::greet(held& with, const channels::hello& theirs) {
    const auto which = theirs.which;
    const auto restarts = session_->counted().restarts;
    if (us_ == 0 && !session_->is_answer(theirs)) {
        return false;
    }
    const auto welcome = session_->on_connected(which, theirs, local_ns());
    if (welcome == session::welcome::refused) {
        return false;
    }
    if (welcome == session::welcome::accepted_alone) {
        close_held(other(which));
        std::erase_if(inbox_, [&](const arrived& each) { return each.restarts != restarts; });
    }
    close_held(which);
    const auto found = std::find_if(strangers_.begin(), strangers_.end(),
                                    [&](const auto& each) { return each.get() == &with; });
    held_.at(index_of(which)) = std::move(*found);
    strangers_.erase(found);
    with.is_greeted = true;
    if (us_ == 1) {
        with.unwritten = encode_hello(our_hello(which));
    }
    return true;
}

bool channel_end::take_frames(held& from) {
    while (true) {
        const auto next = from.in.next();
        if (!next) {
            return false;
        }
        if (!*next) {
            if (from.in.has_part_of_message()) {
                session_->on_part_of_message(from.link->which, local_ns());
            }
            return true;
        }
        const auto verdict = session_->on_frame(from.link->which, (*next)->header, local_ns());
        if (verdict == session::verdict::malformed) {
            world_.violate("a frame whose checksums hold makes no sense");
            return false;
        }
        if (verdict == session::verdict::deliver) {
            const auto payload = (*next)->payload;
            const auto restarts = session_->counted().restarts;
            if (settings_.take_ns == 0) {
                take(payload);
                session_->on_taken(payload.size(), restarts);
            } else {
                inbox_.push_back({{payload.begin(), payload.end()}, restarts});
                if (!is_taking_) {
                    is_taking_ = true;
                    take_next(life_);
                }
            }
        }
    }
}

void channel_end::take_next(std::uint64_t life) {
    world_.time.after(world_.random.below(2 * settings_.take_ns), [this, life] {
        when_awake(life, [this, life] {
            if (inbox_.empty()) {
                is_taking_ = false;
                return;
            }
            std::size_t bytes = 0;
            for (const auto& each : inbox_) {
                bytes += each.bytes.size() + message_overhead_bytes;
            }
            if (bytes > 2 * settings_.window_bytes) {
                world_.violate(fmt::format("{} bytes wait for the application", bytes));
            }
            const auto oldest = std::move(inbox_.front());
            inbox_.pop_front();
            take(oldest.bytes);
            session_->on_taken(oldest.bytes.size(), oldest.restarts);
            settle();
            take_next(life);
        });
    });
}

void channel_end::take(std::span<const std::byte> message) {
    std::uint64_t head[2] = {};
    if (message.size() < sizeof head) {
        world_.violate("a message is too short");
        return;
    }
    std::copy_n(message.data(), sizeof head, reinterpret_cast<std::byte*>(head));
    const auto [from, number] = head;
    const auto filler = static_cast<std::byte>(number);
    if (std::any_of(message.begin() + sizeof head, message.end(),
                    [&](std::byte each) { return each != filler; })) {
        world_.violate("a message is damaged");
    }
    auto& page = books_[from];
    const auto& sender = *world_.ends.at(static_cast<std::size_t>(1 - us_));
    const bool is_first_here = page.our_life != life_;
    const bool is_right =
        is_first_here ? number >= page.next && (from != sender.life_ || number == sender.first_due_)
                      : number == page.next;
    if (!is_right) {
        world_.violate(
            fmt::format("end {} got message {} and not {} (first in this life: {}, "
                        "first due {})",
                        us_, number, page.next, is_first_here, sender.first_due_));
    }
    page.next = number + 1;
    page.our_life = life_;
    ++world_.result.messages_delivered;
    world_.trace(from ^ number);
    const auto now = world_.time.now_ns();
    if (last_came_ns != 0) {
        longest_pause_ns = std::max(longest_pause_ns, now - last_came_ns);
    }
    last_came_ns = now;
}

void channel_end::send_next(std::uint64_t life) {
    when_awake(life, [this, life] {
        if (!sends_) {
            return;
        }
        send_one();
        if (session_->waiting_bytes() > settings_.window_bytes) {
            world_.violate(fmt::format("{} bytes are outstanding", session_->waiting_bytes()));
        }
        settle();
        world_.time.after(settings_.send_ns, [this, life] { send_next(life); });
    });
}

boost::system::error_code channel_end::send_one() {
    auto& random = world_.random;
    const auto most = random.chance(0.02) ? settings_.message_bytes_most : 512;
    std::vector<std::byte> message(16 + random.below(most - 15), static_cast<std::byte>(number_));
    const std::uint64_t head[] = {life_, number_};
    std::copy_n(reinterpret_cast<const std::byte*>(head), sizeof head, message.begin());
    const auto error = session_->add(message);
    if (!error) {
        ++number_;
        ++world_.result.messages_sent;
    } else if (error == errc::window_shut) {
        ++world_.result.refused_windows;
    } else {
        world_.violate("send says " + error.message());
    }
    return error;
}

void channel_end::pump(held& to) {
    while (true) {
        if (to.unwritten.empty()) {
            auto frame = to.is_greeted ? session_->next_output(to.link->which) : std::nullopt;
            if (!frame) {
                return;
            }
            to.unwritten.assign(frame->header.begin(), frame->header.end());
            to.unwritten.insert(to.unwritten.end(), frame->payload.get(),
                                frame->payload.get() + frame->payload_bytes);
        }
        const auto written = world_.write(to.link, us_, to.unwritten);
        to.unwritten.erase(to.unwritten.begin(),
                           to.unwritten.begin() + static_cast<std::ptrdiff_t>(written));
        if (!to.unwritten.empty()) {
            return;
        }
    }
}

void channel_end::settle() {
    for (auto& each : held_) {
        if (each) {
            pump(*each);
        }
    }
    if (session_->take_path_change()) {
        world_.trace(session_->active() ? index_of(*session_->active()) : 7);
    }
    if (const auto given_up = session_->take_restart()) {
        world_.result.given_up += *given_up;
        if (*given_up > number_ - first_due_) {
            world_.violate("more messages are given up than were sent");
        }
        first_due_ = number_;
    }
}

void channel_end::check_settled() {
    if (!session_->active() || *session_->active() != path::network) {
        world_.violate(fmt::format("end {} is not back on the network", us_));
    }
    if (session_->waiting() != 0 || !inbox_.empty()) {
        world_.violate(fmt::format("end {}: {} messages still wait to be taken, {} in its inbox",
                                   us_, session_->waiting(), inbox_.size()));
    }
    const auto& receiver = *world_.ends.at(static_cast<std::size_t>(1 - us_));
    const auto found = receiver.books_.find(life_);
    const auto next = found == receiver.books_.end() ? 0 : found->second.next;
    if (number_ > first_due_ && next != number_) {
        world_.violate(fmt::format("of {} messages of end {} those from {} on did not come",
                                   number_, us_, next));
    }
    world_.result.path_changes += session_->counted().path_changes;
    world_.result.duplicates += session_->counted().duplicates;
}

}  // namespace diskhb::sim
