// SPDX-License-Identifier: BSD-3-Clause
#include "format/table_block.hpp"

#include "format/bytes.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t node_id_at = 96;
constexpr std::size_t state_at = 100;
constexpr std::size_t ack_count_at = 102;
constexpr std::size_t clock_at = 104;
constexpr std::size_t tail_at = 112;
constexpr std::size_t tail_sequence_at = 120;
constexpr std::size_t head_at = 128;
constexpr std::size_t head_sequence_at = 136;
constexpr std::size_t inline_bytes_at = 144;
constexpr std::size_t inline_count_at = 148;
constexpr std::size_t reserved_at = 152;
constexpr std::size_t acks_at = table_fixed_bytes;
// There is always room for a few small frames.
constexpr std::size_t inline_bytes_least = 512;
constexpr bool has_room(std::uint32_t block_bytes) noexcept {
    return acks_at + slots_most(block_bytes) * acknowledgement_bytes + inline_bytes_least <=
           block_bytes;
}
static_assert(has_room(block_bytes_min) && has_room(2 * block_bytes_min));

// Where the inline frames begin.
std::size_t inline_at(const geometry& measures) noexcept {
    return acks_at + measures.slots * acknowledgement_bytes;
}

bool log_is_sound(const table_header& header, const geometry& measures) noexcept {
    const std::uint64_t block_mask = measures.block_bytes - 1;
    return header.head - header.tail <= measures.ring_bytes &&
           ((header.head | header.tail) & block_mask) == 0 &&
           compare_wrapping(header.tail_sequence, header.head_sequence) <= 0;
}

bool known(std::uint16_t state) noexcept {
    return state == static_cast<std::uint16_t>(node_state::running) ||
           state == static_cast<std::uint16_t>(node_state::stopped);
}

void load_header(table_header& header, std::span<const std::byte> block,
                 const envelope& fields) noexcept {
    header.node_id = load<std::uint32_t>(block, node_id_at);
    header.state = static_cast<node_state>(load<std::uint16_t>(block, state_at));
    header.incarnation = fields.incarnation;
    header.sequence = fields.sequence;
    header.clock_ns = load<std::uint64_t>(block, clock_at);
    header.tail = load<std::uint64_t>(block, tail_at);
    header.tail_sequence = load<std::uint64_t>(block, tail_sequence_at);
    header.head = load<std::uint64_t>(block, head_at);
    header.head_sequence = load<std::uint64_t>(block, head_sequence_at);
}

}  // namespace

std::size_t inline_capacity_bytes(const geometry& measures) noexcept {
    return measures.block_bytes - inline_at(measures);
}

void encode_table(std::span<std::byte> block, const geometry& measures, const uuid& cluster,
                  const table_header& header, std::span<const acknowledgement> acks,
                  std::span<const std::byte> inline_frames, std::uint32_t inline_count) noexcept {
    DISKHB_ASSERT(block.size() == measures.block_bytes && acks.size() == measures.slots);
    DISKHB_ASSERT(header.node_id >= 1 && header.node_id <= measures.slots);
    DISKHB_ASSERT(header.incarnation != 0 && log_is_sound(header, measures));
    DISKHB_ASSERT(inline_frames.size() <= inline_capacity_bytes(measures));
    store(block, node_id_at, header.node_id);
    store(block, state_at, static_cast<std::uint16_t>(header.state));
    store(block, ack_count_at, measures.slots);
    store(block, clock_at, header.clock_ns);
    store(block, tail_at, header.tail);
    store(block, tail_sequence_at, header.tail_sequence);
    store(block, head_at, header.head);
    store(block, head_sequence_at, header.head_sequence);
    store(block, inline_bytes_at, static_cast<std::uint32_t>(inline_frames.size()));
    store(block, inline_count_at, inline_count);
    store(block, reserved_at, std::uint64_t{0});
    std::size_t offset = acks_at;
    for (const acknowledgement& ack : acks) {
        store(block, offset, ack.incarnation);
        store(block, offset + 8, ack.read_sequence);
        store(block, offset + 16, ack.message_sequence);
        store(block, offset + 24, ack.beat);
        offset += acknowledgement_bytes;
    }
    store_bytes(block, offset, inline_frames);
    offset += inline_frames.size();
    store_zeros(block, offset, block.size() - offset);

    envelope fields;
    fields.kind = block_kind::table;
    fields.slot = static_cast<slot_index>(header.node_id - 1);
    fields.length_bytes = measures.block_bytes;
    fields.cluster = cluster;
    fields.incarnation = header.incarnation;
    fields.sequence = header.sequence;
    fields.place = measures.table_offset(fields.slot);
    seal(block, fields);
}

result<table_view> decode_table(std::span<const std::byte> block, const geometry& measures,
                                const uuid& cluster, slot_index slot) noexcept {
    const auto fields = unseal(block, block_kind::table);
    if (!fields) {
        return fields.error();
    }
    if (const auto error = check_identity(*fields, cluster, slot, measures.table_offset(slot))) {
        return error;
    }
    if (fields->length_bytes != measures.block_bytes || fields->incarnation == 0) {
        return errc::malformed;
    }
    table_view view;
    load_header(view, block, *fields);
    if (!known(load<std::uint16_t>(block, state_at)) || view.node_id != slot + 1U ||
        load<std::uint16_t>(block, ack_count_at) != measures.slots ||
        load<std::uint64_t>(block, reserved_at) != 0 || !log_is_sound(view, measures)) {
        return errc::malformed;
    }
    const auto inline_bytes = load<std::uint32_t>(block, inline_bytes_at);
    if (inline_bytes > inline_capacity_bytes(measures)) {
        return errc::malformed;
    }
    view.acknowledgements = block.subspan(acks_at, measures.slots * acknowledgement_bytes);
    view.inline_frames = block.subspan(inline_at(measures), inline_bytes);
    view.inline_count = load<std::uint32_t>(block, inline_count_at);
    const auto counted = count_frames(view.inline_frames);
    if (!counted || *counted != view.inline_count) {
        return errc::malformed;
    }
    return view;
}

acknowledgement acknowledgement_of(const table_view& view, slot_index slot) noexcept {
    const std::size_t offset = slot * acknowledgement_bytes;
    return {load<std::uint64_t>(view.acknowledgements, offset),
            load<std::uint64_t>(view.acknowledgements, offset + 8),
            load<std::uint64_t>(view.acknowledgements, offset + 16),
            load<std::uint64_t>(view.acknowledgements, offset + 24)};
}

}  // namespace diskhb::format
