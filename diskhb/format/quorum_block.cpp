// SPDX-License-Identifier: BSD-3-Clause
#include "format/quorum_block.hpp"

#include "format/bytes.hpp"

namespace diskhb::format {

namespace {

constexpr std::size_t node_id_at = 96;
constexpr std::size_t state_at = 100;
constexpr std::size_t echo_count_at = 102;
constexpr std::size_t score_at = 104;
constexpr std::size_t heuristics_at = 108;
constexpr std::size_t granting_at = 110;
constexpr std::size_t ring_node_at = 112;
constexpr std::size_t vote_at = 116;
constexpr std::size_t ready_at = 118;
constexpr std::size_t ring_sequence_at = 120;
constexpr std::size_t ring_members_at = 128;
constexpr std::size_t joined_number_at = 144;
constexpr std::size_t joined_incarnation_at = 152;
constexpr std::size_t accepted_at = 160;
constexpr std::size_t epoch_at = 168;
constexpr std::size_t holder_at = 176;
constexpr std::size_t grant_ring_node_at = 180;
constexpr std::size_t grant_ring_sequence_at = 184;
constexpr std::size_t grant_members_at = 192;
constexpr std::size_t renewal_at = 208;
constexpr std::size_t successor_node_at = 216;
constexpr std::size_t linger_at = 220;
constexpr std::size_t successor_sequence_at = 224;
constexpr std::size_t vote_epoch_at = 232;
constexpr std::size_t clock_at = 240;
constexpr std::size_t granted_at_at = 248;
constexpr std::size_t device_domain_at = 256;
constexpr std::size_t device_value_at = 264;
constexpr std::size_t reserved_at = 272;
constexpr std::size_t reserved_bytes = 16;
constexpr std::size_t echoes_at = quorum_fixed_bytes;
static_assert(reserved_at + reserved_bytes == echoes_at);
static_assert(echoes_at + slots_max * quorum_echo_bytes <= block_bytes_min);

template <class Enumeration>
void store_enum(std::span<std::byte> block, std::size_t offset, Enumeration value) noexcept {
    store(block, offset, static_cast<std::uint16_t>(value));
}

void store_set(std::span<std::byte> block, std::size_t offset, const slot_set& slots) noexcept {
    store(block, offset, slots.words[0]);
    store(block, offset + 8, slots.words[1]);
}

slot_set load_set(std::span<const std::byte> block, std::size_t offset) noexcept {
    slot_set slots;
    slots.words = {load<std::uint64_t>(block, offset), load<std::uint64_t>(block, offset + 8)};
    return slots;
}

bool within(std::span<const std::byte> block, std::size_t offset, std::uint16_t lowest,
            std::uint16_t highest) noexcept {
    const auto value = load<std::uint16_t>(block, offset);
    return value >= lowest && value <= highest;
}

bool enumerations_are_known(std::span<const std::byte> block) noexcept {
    return within(block, state_at, 1, 3) && within(block, heuristics_at, 0, 2) &&
           within(block, granting_at, 0, 4) && within(block, vote_at, 0, 2) &&
           within(block, ready_at, 0, 1);
}

bool grant_is_sound(const quorum_block& content, slot_index slot) noexcept {
    if (content.granting == grant_state::none) {
        return content.value == grant{};
    }
    const bool is_ours = content.value.epoch != 0 && ballot_slot(content.value.epoch) == slot;
    const bool is_joined = content.joined.number >= content.value.epoch;
    const bool needs_acceptance =
        content.granting == grant_state::accepted || content.granting == grant_state::granted;
    return is_ours && is_joined && content.value.ring.known() &&
           (!needs_acceptance || (content.accepted == content.value.epoch &&
                                  content.joined.number == content.value.epoch));
}

bool is_sound(const quorum_block& content, const geometry& measures, slot_index slot) noexcept {
    return content.node_id == slot + 1U && content.incarnation != 0 && content.sequence != 0 &&
           content.ring_members.fits(measures.slots) &&
           content.value.members.fits(measures.slots) &&
           (content.joined.number == 0) == (content.joined.incarnation == 0) &&
           grant_is_sound(content, slot);
}

void load_fields(quorum_block& content, std::span<const std::byte> block) noexcept {
    content.node_id = load<std::uint32_t>(block, node_id_at);
    content.state = static_cast<quorum_state>(load<std::uint16_t>(block, state_at));
    content.ready = load<std::uint16_t>(block, ready_at) != 0;
    content.score = load<std::uint32_t>(block, score_at);
    content.heuristics = static_cast<heuristics_result>(load<std::uint16_t>(block, heuristics_at));
    content.ring = {load<std::uint32_t>(block, ring_node_at),
                    load<std::uint64_t>(block, ring_sequence_at)};
    content.ring_members = load_set(block, ring_members_at);
    content.joined = {load<std::uint64_t>(block, joined_number_at),
                      load<std::uint64_t>(block, joined_incarnation_at)};
    content.accepted = load<std::uint64_t>(block, accepted_at);
    content.granting = static_cast<grant_state>(load<std::uint16_t>(block, granting_at));
    content.value.epoch = load<std::uint64_t>(block, epoch_at);
    content.value.ring = {load<std::uint32_t>(block, grant_ring_node_at),
                          load<std::uint64_t>(block, grant_ring_sequence_at)};
    content.value.members = load_set(block, grant_members_at);
    content.renewal = load<std::uint64_t>(block, renewal_at);
    content.successor = {load<std::uint32_t>(block, successor_node_at),
                         load<std::uint64_t>(block, successor_sequence_at)};
    content.vote = static_cast<vote_state>(load<std::uint16_t>(block, vote_at));
    content.vote_epoch = load<std::uint64_t>(block, vote_epoch_at);
    content.linger_ms = load<std::uint32_t>(block, linger_at);
    content.clock_ns = load<std::uint64_t>(block, clock_at);
    content.granted_at_ns = load<std::uint64_t>(block, granted_at_at);
    content.device = {load<std::uint64_t>(block, device_domain_at),
                      load<std::uint64_t>(block, device_value_at)};
}

void store_fields(std::span<std::byte> block, const quorum_block& content) noexcept {
    store(block, node_id_at, content.node_id);
    store_enum(block, state_at, content.state);
    store(block, ready_at, static_cast<std::uint16_t>(content.ready ? 1 : 0));
    store(block, score_at, content.score);
    store_enum(block, heuristics_at, content.heuristics);
    store(block, ring_node_at, content.ring.node_id);
    store(block, ring_sequence_at, content.ring.sequence);
    store_set(block, ring_members_at, content.ring_members);
    store(block, joined_number_at, content.joined.number);
    store(block, joined_incarnation_at, content.joined.incarnation);
    store(block, accepted_at, content.accepted);
    store_enum(block, granting_at, content.granting);
    store(block, epoch_at, content.value.epoch);
    store(block, holder_at,
          content.granting == grant_state::none ? std::uint32_t{0} : content.node_id);
    store(block, grant_ring_node_at, content.value.ring.node_id);
    store(block, grant_ring_sequence_at, content.value.ring.sequence);
    store_set(block, grant_members_at, content.value.members);
    store(block, renewal_at, content.renewal);
    store(block, successor_node_at, content.successor.node_id);
    store(block, successor_sequence_at, content.successor.sequence);
    store_enum(block, vote_at, content.vote);
    store(block, vote_epoch_at, content.vote_epoch);
    store(block, linger_at, content.linger_ms);
    store(block, clock_at, content.clock_ns);
    store(block, granted_at_at, content.granted_at_ns);
    store(block, device_domain_at, content.device.domain);
    store(block, device_value_at, content.device.value);
    store_zeros(block, reserved_at, reserved_bytes);
}

}  // namespace

bool slot_set::fits(std::uint16_t slots) const noexcept {
    for (std::uint16_t slot = slots; slot < slots_max; ++slot) {
        if (test(slot)) {
            return false;
        }
    }
    return true;
}

void encode_quorum(std::span<std::byte> block, const geometry& measures, const uuid& cluster,
                   const quorum_block& content) noexcept {
    DISKHB_ASSERT(block.size() == measures.block_bytes);
    DISKHB_ASSERT(content.node_id >= 1 && content.node_id <= measures.slots);
    const auto slot = static_cast<slot_index>(content.node_id - 1);
    DISKHB_ASSERT(is_sound(content, measures, slot));
    store_fields(block, content);
    store(block, echo_count_at, measures.slots);
    std::size_t offset = echoes_at;
    for (slot_index peer = 0; peer < measures.slots; ++peer) {
        store(block, offset, content.echoes[peer].incarnation);
        store(block, offset + 8, content.echoes[peer].sequence);
        offset += quorum_echo_bytes;
    }
    store_zeros(block, offset, block.size() - offset);

    envelope fields;
    fields.kind = block_kind::quorum;
    fields.slot = slot;
    fields.length_bytes = measures.block_bytes;
    fields.cluster = cluster;
    fields.incarnation = content.incarnation;
    fields.sequence = content.sequence;
    fields.place = measures.quorum_offset(slot);
    seal(block, fields);
}

result<quorum_block> decode_quorum(std::span<const std::byte> block, const geometry& measures,
                                   const uuid& cluster, slot_index slot) noexcept {
    const auto fields = unseal(block, block_kind::quorum);
    if (!fields) {
        return fields.error();
    }
    if (const auto error = check_identity(*fields, cluster, slot, measures.quorum_offset(slot))) {
        return error;
    }
    if (fields->length_bytes != measures.block_bytes || !enumerations_are_known(block) ||
        load<std::uint16_t>(block, echo_count_at) != measures.slots ||
        !all_zero(block.subspan(reserved_at, reserved_bytes))) {
        return errc::malformed;
    }
    quorum_block content;
    content.incarnation = fields->incarnation;
    content.sequence = fields->sequence;
    load_fields(content, block);
    const auto holder = load<std::uint32_t>(block, holder_at);
    const std::uint32_t expected = content.granting == grant_state::none ? 0 : content.node_id;
    if (!is_sound(content, measures, slot) || holder != expected) {
        return errc::malformed;
    }
    std::size_t offset = echoes_at;
    for (slot_index peer = 0; peer < measures.slots; ++peer) {
        content.echoes[peer] = {load<std::uint64_t>(block, offset),
                                load<std::uint64_t>(block, offset + 8)};
        offset += quorum_echo_bytes;
    }
    return content;
}

}  // namespace diskhb::format
