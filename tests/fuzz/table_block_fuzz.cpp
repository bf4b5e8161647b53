// SPDX-License-Identifier: BSD-3-Clause
// Whatever a table block holds: refused, or every field is in its range and every view inside.
#include "format/table_block.hpp"

#include "fuzz_target.hpp"

namespace {

using namespace diskhb;

void decode(std::span<const std::byte> block) {
    const auto volume = fuzz::measures();
    const auto view = format::decode_table(block, volume, fuzz::cluster, fuzz::slot);
    if (!view) {
        return;
    }
    fuzz::require(view->node_id == fuzz::slot + 1U, "the node is the slot's");
    fuzz::require(view->incarnation != 0, "an incarnation is not 0");
    fuzz::require(view->head - view->tail <= volume.ring_bytes, "the log fits the ring");
    fuzz::require(fuzz::inside(view->inline_frames, block), "inline frames are inside");
    fuzz::require(fuzz::inside(view->acknowledgements, block), "acknowledgements are inside");
    for (format::slot_index slot = 0; slot < volume.slots; ++slot) {
        format::acknowledgement_of(*view, slot);
    }
    format::frame_reader frames(view->inline_frames);
    for (std::uint32_t i = 0; i < view->inline_count; ++i) {
        const auto next = frames.next();
        fuzz::require(next && fuzz::inside(next->payload, block), "a frame is whole and inside");
    }
    fuzz::require(frames.at_end(), "the frames fill their area");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::with_and_without_repair(data, size, std::span<const char, 8>("DISKHBNT", 8), decode);
    return 0;
}
