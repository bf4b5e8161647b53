// SPDX-License-Identifier: BSD-3-Clause
#include "io/sim_volume.hpp"

#include <algorithm>

#include "io/sim_random.hpp"

namespace diskhb::io {
namespace {

// Whether that piece of a write ever reaches the volume.
bool lands(const sim_operation& write, std::size_t piece) noexcept {
    switch (write.what_lands) {
        case sim_operation::effect::whole:
            return true;
        case sim_operation::effect::nothing:
            return false;
        case sim_operation::effect::torn:
            return (mix(write.chance + 2 * piece + 1) & 1) != 0;
    }
    return false;
}

std::uint64_t landing_ns(const sim_operation& write, std::size_t piece) noexcept {
    const std::uint64_t span_ns = write.end_ns - write.start_ns;
    return write.start_ns + mix(write.chance + 2 * piece) % (span_ns + 1);
}

std::span<const std::byte> piece_of(const sim_operation& write, std::size_t piece) noexcept {
    return std::span(write.data).subspan(piece * sim_piece_bytes, sim_piece_bytes);
}

}  // namespace

sim_volume::sim_volume(sim_clock& clock, std::uint64_t size_bytes, std::uint32_t block_bytes)
    : clock_(clock), block_bytes_(block_bytes), memory_(size_bytes) {}

void sim_volume::settle() {
    while (!in_flight_.empty() && in_flight_.begin()->first.first <= clock_.now_ns()) {
        auto node = in_flight_.extract(in_flight_.begin());
        if (node.mapped().port->hangs || node.mapped().hangs) {
            node.mapped().hangs = true;
            node.key().first = sim_never_ns;
            in_flight_.insert(std::move(node));
        } else {
            finish(node.mapped(), node.key().first);
        }
    }
}

std::uint64_t sim_volume::next_event_ns() const noexcept {
    return in_flight_.empty() ? sim_never_ns : in_flight_.begin()->first.first;
}

void sim_volume::start(sim_operation operation) {
    const due when{operation.end_ns, submitted_++};
    in_flight_.emplace(when, std::move(operation));
}

void sim_volume::release_hanging(const sim_port_state& port, std::uint64_t within_ns) {
    std::vector<std::map<due, sim_operation>::node_type> released;
    for (auto each = in_flight_.begin(); each != in_flight_.end();) {
        const auto next = std::next(each);
        if (each->second.hangs && each->second.port.get() == &port) {
            released.push_back(in_flight_.extract(each));
        }
        each = next;
    }
    for (auto& node : released) {
        node.mapped().hangs = false;
        node.key().first =
            clock_.now_ns() + mix(node.mapped().chance ^ clock_.now_ns()) % (within_ns + 1);
        in_flight_.insert(std::move(node));
    }
}

void sim_volume::tear(const sim_port_state& port) {
    for (auto& [when, operation] : in_flight_) {
        if (operation.port.get() == &port && operation.what_lands == sim_operation::effect::whole) {
            operation.what_lands = sim_operation::effect::torn;
        }
    }
}

void sim_volume::restore(const std::vector<std::byte>& earlier) {
    std::ranges::copy(earlier, memory_.begin());
}

void sim_volume::finish(const sim_operation& operation, std::uint64_t time_ns) {
    const bool is_read = operation.wanted.what == operation::read;
    if (is_read && operation.error == 0 && operation.answer_to->open) {
        fill(operation, time_ns);
    }
    if (!is_read) {
        if (operation.answer_to->open &&
            !std::ranges::equal(operation.data, operation.wanted.buffer)) {
            ++operation.port->misuses;
        }
        land(operation);
        if (watcher_) {
            watcher_(operation.offset, operation.data.size());
        }
    }
    if (operation.answer_to->open) {
        operation.answer_to->done.push_back({operation.wanted.tag, operation.error});
    }
}

void sim_volume::land(const sim_operation& write) {
    remember(write.offset, write.data.size());
    for (std::size_t piece = 0; piece < write.data.size() / sim_piece_bytes; ++piece) {
        if (lands(write, piece)) {
            std::ranges::copy(piece_of(write, piece),
                              memory_.begin() + static_cast<std::ptrdiff_t>(
                                                    write.offset + piece * sim_piece_bytes));
        }
    }
}

void sim_volume::fill(const sim_operation& read, std::uint64_t time_ns) {
    const auto into = read.wanted.buffer;
    std::ranges::copy(std::span(memory_).subspan(read.offset, into.size()), into.begin());
    for (const auto& [when, other] : in_flight_) {
        if (other.wanted.what == operation::write) {
            overlay(other, time_ns, read.offset, into);
        }
    }
    if (read.reads_stale) {
        make_stale(read);
    }
    if (read.flips_bit) {
        const std::uint64_t bit = read.chance % (into.size() * 8);
        into[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
}

// Puts those pieces of a write in flight over what was read at `offset` that have landed by then.
void sim_volume::overlay(const sim_operation& write, std::uint64_t time_ns, std::uint64_t offset,
                         std::span<std::byte> into) const {
    for (std::size_t piece = 0; piece < write.data.size() / sim_piece_bytes; ++piece) {
        const std::uint64_t at = write.offset + piece * sim_piece_bytes;
        const bool inside = at >= offset && at + sim_piece_bytes <= offset + into.size();
        if (inside && lands(write, piece) && landing_ns(write, piece) <= time_ns) {
            std::ranges::copy(piece_of(write, piece),
                              into.begin() + static_cast<std::ptrdiff_t>(at - offset));
        }
    }
}

// Each block of the read by itself is older, as from a cache or a lagging mirror, or is not.
void sim_volume::make_stale(const sim_operation& read) {
    for (std::size_t at = 0; at < read.wanted.buffer.size(); at += block_bytes_) {
        const auto known = history_.find((read.offset + at) / block_bytes_);
        const std::uint64_t fate = mix(read.chance + at);
        if (known != history_.end() && (fate & 1) != 0) {
            const auto& older = known->second[(fate >> 1) & 1];
            std::ranges::copy(older, read.wanted.buffer.begin() + static_cast<std::ptrdiff_t>(at));
        }
    }
}

void sim_volume::remember(std::uint64_t offset, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += block_bytes_) {
        auto& [newer, older] = history_[(offset + at) / block_bytes_];
        older.swap(newer);
        const auto present = std::span(memory_).subspan(offset + at, block_bytes_);
        newer.assign(present.begin(), present.end());
    }
}

}  // namespace diskhb::io
