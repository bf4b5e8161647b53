// SPDX-License-Identifier: BSD-3-Clause
// Whatever a quorum block holds: refused, or every field is in its range and fits the others.
#include "format/quorum_block.hpp"

#include "fuzz_target.hpp"

namespace {

using namespace diskhb;

void decode(std::span<const std::byte> block) {
    const auto volume = fuzz::measures();
    const auto content = format::decode_quorum(block, volume, fuzz::cluster, fuzz::slot);
    if (!content) {
        return;
    }
    fuzz::require(content->node_id == fuzz::slot + 1U, "the node is the slot's");
    fuzz::require(content->incarnation != 0 && content->sequence != 0, "neither is 0");
    fuzz::require(content->ring_members.fits(volume.slots), "members have slots");
    fuzz::require(content->value.members.fits(volume.slots), "members of a grant have slots");
    if (content->granting == format::grant_state::none) {
        fuzz::require(content->value == format::grant{}, "no grant, no value");
    } else {
        fuzz::require(format::ballot_slot(content->value.epoch) == fuzz::slot, "its own ballot");
    }
    for (std::size_t peer = volume.slots; peer < content->echoes.size(); ++peer) {
        fuzz::require(content->echoes[peer] == format::quorum_echo{}, "no echo without slot");
    }
    // What was accepted can be written, and is then the same.
    std::vector<std::byte> again(volume.block_bytes);
    format::encode_quorum(again, volume, fuzz::cluster, *content);
    const auto back = format::decode_quorum(again, volume, fuzz::cluster, fuzz::slot);
    fuzz::require(back && *back == *content, "it survives being written");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::with_and_without_repair(data, size, std::span<const char, 8>("DISKHBQT", 8), decode);
    return 0;
}
