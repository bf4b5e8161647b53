// SPDX-License-Identifier: BSD-3-Clause
#include "tools/slot_capture.hpp"

#include <algorithm>
#include <utility>

#include "format/bytes.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

// A batch that its writer has announced may be read too early where the volume lags: so many looks
// until it is given up.
constexpr unsigned patience_looks = 50;

captured_frame copy_of(const format::frame& content, std::uint64_t sequence) {
    captured_frame kept;
    kept.sequence = sequence;
    kept.submitted_ns = content.submitted_ns;
    kept.destination = content.destination;
    kept.kind = content.kind;
    kept.payload.assign(content.payload.begin(), content.payload.end());
    return kept;
}

// The frames of an intact area, by sequence.
using frame_map = std::map<std::uint64_t, captured_frame>;

void collect(std::span<const std::byte> area, std::uint64_t first_sequence, frame_map& into) {
    format::frame_reader reader(area);
    for (auto sequence = first_sequence; !reader.at_end(); ++sequence) {
        const auto frame = reader.next();
        if (!frame) {
            return;
        }
        into.try_emplace(sequence, copy_of(*frame, sequence));
    }
}

// The batch that begins these bytes, whichever life and lap it is of.
struct any_batch {
    std::uint64_t incarnation = 0;
    format::batch_view view;
};
result<any_batch> batch_of_any_life(std::span<const std::byte> rest, std::uint64_t offset,
                                    const format::superblock& volume, format::slot_index slot) {
    const auto fields = format::unseal(rest, format::block_kind::batch);
    if (!fields) {
        return fields.error();
    }
    if ((fields->place & (volume.measures.ring_bytes - 1)) != offset) {
        return errc::misplaced;
    }
    const auto batch = format::decode_batch(
        rest, volume.measures, {volume.cluster, slot, fields->incarnation, fields->place});
    if (!batch) {
        return batch.error();
    }
    return any_batch{fields->incarnation, *batch};
}

captured_life finish(std::uint64_t incarnation, frame_map frames,
                     const std::optional<std::uint64_t>& end_sequence) {
    captured_life life;
    life.incarnation = incarnation;
    std::optional<std::uint64_t> next;
    for (auto& [sequence, frame] : frames) {
        frame.missing_before = next ? sequence - *next : 0;
        frame.is_announced = !end_sequence || sequence < *end_sequence;
        life.missing += frame.missing_before;
        next = sequence + 1;
        life.frames.push_back(std::move(frame));
    }
    if (end_sequence && next && *next < *end_sequence) {
        life.missing += *end_sequence - *next;
    }
    return life;
}

}  // namespace

slot_capture capture_slot(std::span<const std::byte> table_block, std::span<const std::byte> ring,
                          const format::superblock& volume, format::slot_index slot) {
    slot_capture found;
    found.slot = slot;
    std::map<std::uint64_t, frame_map> lives;
    const auto table = format::decode_table(table_block, volume.measures, volume.cluster, slot);
    std::optional<std::uint64_t> end_sequence;
    if (table) {
        found.header = *table;
        // Before the ring: where both have a frame, what was announced counts.
        collect(table->inline_frames, table->head_sequence, lives[table->incarnation]);
        end_sequence = table->head_sequence + table->inline_count;
    } else {
        found.table_error = table.error();
    }
    const auto block_bytes = volume.measures.block_bytes;
    for (std::uint64_t offset = 0; offset < ring.size();) {
        const auto batch = batch_of_any_life(ring.subspan(offset), offset, volume, slot);
        if (batch) {
            collect(batch->view.frames, batch->view.first_sequence, lives[batch->incarnation]);
            offset += batch->view.length_bytes;
            continue;
        }
        if (batch.error() != errc::empty_block) {
            ++found.unreadable[block_state_text(batch.error())];
        }
        offset += block_bytes;
    }
    for (auto& [incarnation, frames] : lives) {
        const bool is_latest = found.header && found.header->incarnation == incarnation;
        found.lives.push_back(
            finish(incarnation, std::move(frames), is_latest ? end_sequence : std::nullopt));
        found.lives.back().is_latest = is_latest;
    }
    // Which life came after which is not written anywhere; their clock tells, within one boot.
    std::sort(found.lives.begin(), found.lives.end(), [](const auto& left, const auto& right) {
        const auto last = [](const captured_life& life) {
            return life.frames.empty() ? 0 : life.frames.back().submitted_ns;
        };
        return left.is_latest != right.is_latest ? right.is_latest : last(left) < last(right);
    });
    if (!found.header && !found.lives.empty()) {
        found.lives.back().is_latest = true;
    }
    return found;
}

// -- live

std::optional<slot_follower::range> slot_follower::on_table(std::span<const std::byte> block) {
    const auto table = format::decode_table(block, volume_->measures, volume_->cluster, slot_);
    if (!table) {
        return std::nullopt;
    }
    const bool is_first = header_.incarnation == 0;
    const bool is_new_life = table->incarnation != header_.incarnation;
    if (!is_new_life && format::compare_wrapping(table->sequence, header_.sequence) <= 0) {
        return wanted();
    }
    header_ = *table;
    inline_frames_.assign(table->inline_frames.begin(), table->inline_frames.end());
    if (is_first) {
        position_ = header_.head;
        next_sequence_ = header_.head_sequence + table->inline_count;
        inline_frames_.clear();
    } else if (is_new_life) {
        position_ = header_.tail;
        next_sequence_ = header_.tail_sequence;
        failures_ = 0;
    }
    if (header_.head - position_ > header_.head - header_.tail) {
        position_ = header_.tail;  // lapped, or its writer has forgotten what was there
        failures_ = 0;
    }
    return wanted();
}

std::optional<slot_follower::range> slot_follower::wanted() {
    if (header_.incarnation == 0) {
        return std::nullopt;
    }
    if (position_ == header_.head) {
        add_area(inline_frames_, header_.head_sequence);
        inline_frames_.clear();
        return std::nullopt;
    }
    const auto ring_bytes = volume_->measures.ring_bytes;
    const auto to_end = ring_bytes - (position_ & (ring_bytes - 1));
    return range{position_, std::min(header_.head - position_, to_end)};
}

std::optional<slot_follower::range> slot_follower::on_ring(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto batch = format::decode_batch(
            bytes, volume_->measures, {volume_->cluster, slot_, header_.incarnation, position_});
        if (!batch) {
            if (++failures_ < patience_looks) {
                return std::nullopt;
            }
            const auto block_bytes = volume_->measures.block_bytes;
            position_ += block_bytes;
            bytes = bytes.subspan(std::min<std::size_t>(block_bytes, bytes.size()));
            continue;
        }
        failures_ = 0;
        add_area(batch->frames, batch->first_sequence);
        position_ += batch->advance_bytes;
        bytes = bytes.subspan(std::min<std::uint64_t>(batch->advance_bytes, bytes.size()));
    }
    return wanted();
}

void slot_follower::add_area(std::span<const std::byte> area, std::uint64_t first_sequence) {
    format::frame_reader reader(area);
    for (auto sequence = first_sequence; !reader.at_end(); ++sequence) {
        const auto frame = reader.next();
        if (!frame) {
            return;
        }
        add(*frame, sequence);
    }
}

void slot_follower::add(const format::frame& content, std::uint64_t sequence) {
    if (format::compare_wrapping(sequence, next_sequence_) < 0) {
        return;
    }
    auto kept = copy_of(content, sequence);
    kept.missing_before = sequence - next_sequence_;
    missing_ += kept.missing_before;
    next_sequence_ = sequence + 1;
    found_.push_back(std::move(kept));
}

std::vector<captured_frame> slot_follower::take() { return std::exchange(found_, {}); }

}  // namespace diskhb::tools
