// SPDX-License-Identifier: BSD-3-Clause
#include "format/batch.hpp"

#include "format/bytes.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t frame_count_at = 96;
constexpr std::size_t frames_bytes_at = 100;
constexpr std::size_t advance_at = 104;
constexpr std::size_t reserved_at = 112;

std::uint64_t lap_offset(const geometry& measures, std::uint64_t position) noexcept {
    return position & (measures.ring_bytes - 1);
}

// From a position to the end of its lap: 1 .. ring_bytes.
std::uint64_t left_of_lap(const geometry& measures, std::uint64_t position) noexcept {
    return measures.ring_bytes - lap_offset(measures, position);
}

std::span<const std::byte> finish(std::span<std::byte> buffer, const geometry& measures,
                                  const batch_identity& identity, std::uint64_t first_sequence,
                                  std::uint32_t frame_count, std::size_t frames_bytes,
                                  std::uint64_t advance_bytes) noexcept {
    const std::uint32_t length_bytes = batch_length_bytes(measures, frames_bytes);
    DISKHB_ASSERT(buffer.size() >= length_bytes);
    DISKHB_ASSERT(identity.incarnation != 0 && identity.position % measures.block_bytes == 0);
    DISKHB_ASSERT(length_bytes <= left_of_lap(measures, identity.position));
    const auto block = buffer.first(length_bytes);
    store(block, frame_count_at, frame_count);
    store(block, frames_bytes_at, static_cast<std::uint32_t>(frames_bytes));
    store(block, advance_at, advance_bytes);
    store_zeros(block, reserved_at, batch_header_bytes - reserved_at);
    const std::size_t used_bytes = batch_header_bytes + frames_bytes;
    store_zeros(block, used_bytes, length_bytes - used_bytes);

    envelope fields;
    fields.kind = block_kind::batch;
    fields.slot = identity.slot;
    fields.length_bytes = length_bytes;
    fields.cluster = identity.cluster;
    fields.incarnation = identity.incarnation;
    fields.sequence = first_sequence;
    fields.place = identity.position;
    seal(block, fields);
    return block;
}

// Whether this is the batch that was expected there, an older or a newer one, or none of the ring.
boost::system::error_code check_place(const envelope& found, const geometry& measures,
                                      const batch_identity& expected) noexcept {
    const std::uint64_t distance = found.place - expected.position;
    if (found.cluster != expected.cluster) {
        return errc::foreign;
    }
    if (found.slot != expected.slot || lap_offset(measures, distance) != 0) {
        return errc::misplaced;
    }
    if (found.incarnation != expected.incarnation) {
        return errc::stale;
    }
    switch (compare_wrapping(found.place, expected.position)) {
        case -1:
            return errc::stale;
        case 1:
            return errc::lapped;
        default:
            return {};
    }
}

// The fields of an intact batch in its right place, against each other.
bool is_sound(const batch_view& view, const geometry& measures, std::uint64_t position) noexcept {
    if (view.length_bytes > left_of_lap(measures, position) ||
        view.length_bytes != batch_length_bytes(measures, view.frames.size())) {
        return false;
    }
    const bool padding = view.frame_count == 0;
    if (view.advance_bytes != (padding ? left_of_lap(measures, position) : view.length_bytes)) {
        return false;
    }
    const auto counted = count_frames(view.frames);
    return counted && *counted == view.frame_count;
}

}  // namespace

std::uint32_t batch_length_bytes(const geometry& measures, std::size_t frames_bytes) noexcept {
    DISKHB_ASSERT(frames_bytes <= ring_bytes_max);
    const std::size_t mask = measures.block_bytes - 1;
    return static_cast<std::uint32_t>((batch_header_bytes + frames_bytes + mask) & ~mask);
}

std::span<const std::byte> seal_batch(std::span<std::byte> buffer, const geometry& measures,
                                      const batch_identity& identity, std::uint64_t first_sequence,
                                      std::uint32_t frame_count,
                                      std::size_t frames_bytes) noexcept {
    DISKHB_ASSERT(frame_count > 0);
    return finish(buffer, measures, identity, first_sequence, frame_count, frames_bytes,
                  batch_length_bytes(measures, frames_bytes));
}

std::span<const std::byte> seal_padding(std::span<std::byte> buffer, const geometry& measures,
                                        const batch_identity& identity,
                                        std::uint64_t next_sequence) noexcept {
    return finish(buffer, measures, identity, next_sequence, 0, 0,
                  left_of_lap(measures, identity.position));
}

result<batch_view> decode_batch(std::span<const std::byte> bytes, const geometry& measures,
                                const batch_identity& expected) noexcept {
    const auto fields = unseal(bytes, block_kind::batch);
    if (!fields) {
        return fields.error();
    }
    if (const auto error = check_place(*fields, measures, expected)) {
        return error;
    }
    if (fields->length_bytes < batch_header_bytes) {
        return errc::malformed;
    }
    const auto frames_bytes = load<std::uint32_t>(bytes, frames_bytes_at);
    if (frames_bytes > fields->length_bytes - batch_header_bytes ||
        fields->length_bytes > measures.ring_bytes || fields->incarnation == 0 ||
        !all_zero(bytes.subspan(reserved_at, batch_header_bytes - reserved_at))) {
        return errc::malformed;
    }
    batch_view view;
    view.first_sequence = fields->sequence;
    view.frame_count = load<std::uint32_t>(bytes, frame_count_at);
    view.length_bytes = fields->length_bytes;
    view.advance_bytes = load<std::uint64_t>(bytes, advance_at);
    view.frames = bytes.subspan(batch_header_bytes, frames_bytes);
    if (!is_sound(view, measures, expected.position)) {
        return errc::malformed;
    }
    return view;
}

}  // namespace diskhb::format
