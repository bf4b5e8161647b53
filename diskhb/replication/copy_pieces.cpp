// SPDX-License-Identifier: BSD-3-Clause
#include "replication/copy_pieces.hpp"

#include <algorithm>

#include "format/assert.hpp"
#include "ring/sequence.hpp"

namespace diskhb::replication {

using ring::before;

copy_pieces::copy_pieces(std::size_t count, std::uint32_t piece_bytes, std::uint64_t ring_bytes)
    : piece_bytes_(piece_bytes), ring_bytes_(ring_bytes), pieces_(count) {
    // Two pieces in flight must never meet at one place of the ring.
    DISKHB_ASSERT(count > 0 && count * piece_bytes <= ring_bytes);
    for (std::size_t index = 0; index < count; ++index) {
        pieces_[index].buffer = std::make_unique<io::aligned_buffer>(piece_bytes);
        free_.push_back(index);
    }
}

void copy_pieces::begin_at(std::uint64_t position) noexcept {
    drop(0);
    held_from_ = position;
    held_to_ = position;
    read_to_ = position;
}

std::optional<copy_pieces::piece_io> copy_pieces::begin_read(std::uint64_t end) noexcept {
    if (free_.empty() || !before(read_to_, end)) {
        return std::nullopt;
    }
    const std::uint64_t to_ring_end = ring_bytes_ - (read_to_ & (ring_bytes_ - 1));
    const std::size_t index = free_.back();
    free_.pop_back();
    piece& taken = pieces_[index];
    taken.position = read_to_;
    taken.bytes = static_cast<std::uint32_t>(
        std::min({std::uint64_t{piece_bytes_}, to_ring_end, end - read_to_}));
    taken.at = progress::reading;
    taken.is_forgotten = false;
    taken.is_checked = false;
    order_.push_back(index);
    read_to_ = taken.end();
    ++reading_;
    return piece_io{index, taken.position, taken.buffer->span().first(taken.bytes)};
}

void copy_pieces::on_read(std::size_t index, std::uint64_t next_table_read) noexcept {
    piece& ended = pieces_[index];
    --reading_;
    if (ended.is_forgotten) {
        release(ended);
        return;
    }
    ended.at = progress::read;
    ended.checked_by = next_table_read;
}

void copy_pieces::check(std::uint64_t tail, std::uint64_t table_read,
                        std::uint64_t spare_to) noexcept {
    for (std::size_t at = 0; at < order_.size(); ++at) {
        piece& each = pieces_[order_[at]];
        if (each.is_checked) {
            continue;
        }
        if (before(each.position, tail)) {
            if (!before(each.position, spare_to)) {
                drop(at);
                break;
            }
            held_from_ = before(held_from_, tail) ? tail : held_from_;
        }
        each.is_checked = each.at != progress::reading && each.checked_by <= table_read;
    }
    retire();
}

std::optional<copy_pieces::piece_io> copy_pieces::next_write(std::uint64_t limit) const noexcept {
    if (forgotten_writes_ > 0) {
        return std::nullopt;
    }
    for (const std::size_t index : order_) {
        const piece& each = pieces_[index];
        if (each.at == progress::reading) {
            return std::nullopt;
        }
        if (each.at == progress::read) {
            if (before(limit, each.end())) {
                return std::nullopt;
            }
            return piece_io{index, each.position, each.buffer->span().first(each.bytes)};
        }
    }
    return std::nullopt;
}

bool copy_pieces::begin_write(std::size_t index) noexcept {
    piece& begun = pieces_[index];
    if (before(begun.end(), held_from_) || begun.end() == held_from_) {
        begun.at = progress::written;
        retire();
        return false;
    }
    begun.at = progress::writing;
    ++writing_;
    // One lap back something is overwritten from now on.
    const std::uint64_t kept_from = begun.end() - ring_bytes_;
    held_from_ = before(held_from_, kept_from) ? kept_from : held_from_;
    return true;
}

void copy_pieces::on_written(std::size_t index) noexcept {
    piece& ended = pieces_[index];
    --writing_;
    if (ended.is_forgotten) {
        --forgotten_writes_;
        release(ended);
        return;
    }
    ended.at = progress::written;
    retire();
}

bool copy_pieces::is_checked_to(std::uint64_t position) const noexcept {
    if (before(read_to_, position)) {
        return false;
    }
    for (const std::size_t index : order_) {
        const piece& each = pieces_[index];
        if (!before(each.position, position)) {
            break;
        }
        if (!each.is_checked) {
            return false;
        }
    }
    return true;
}

bool copy_pieces::wants_check() const noexcept {
    return std::any_of(order_.begin(), order_.end(), [this](std::size_t index) {
        const piece& each = pieces_[index];
        return each.at != progress::reading && !each.is_checked;
    });
}

void copy_pieces::release(piece& of) noexcept {
    of.at = progress::free;
    of.is_forgotten = false;
    free_.push_back(static_cast<std::size_t>(&of - pieces_.data()));
}

// The pieces from that place in the order on.
void copy_pieces::drop(std::size_t from) noexcept {
    if (from < order_.size()) {
        read_to_ = pieces_[order_[from]].position;
    }
    while (order_.size() > from) {
        piece& last = pieces_[order_.back()];
        if (last.at == progress::reading || last.at == progress::writing) {
            last.is_forgotten = true;
            forgotten_writes_ += last.at == progress::writing ? 1 : 0;
        } else {
            release(last);
        }
        order_.pop_back();
    }
}

void copy_pieces::retire() noexcept {
    while (!order_.empty()) {
        piece& first = pieces_[order_.front()];
        if (first.at != progress::written || !first.is_checked) {
            return;
        }
        held_to_ = first.end();
        release(first);
        order_.pop_front();
    }
}

}  // namespace diskhb::replication
