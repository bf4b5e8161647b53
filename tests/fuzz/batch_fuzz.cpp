// SPDX-License-Identifier: BSD-3-Clause
// Whatever a ring holds: refused, or a batch that stays inside, does not cross the ring's end and
// leads on.
#include "format/batch.hpp"

#include "fuzz_target.hpp"

namespace {

using namespace diskhb;

void decode(std::span<const std::byte> bytes) {
    const auto volume = fuzz::measures();
    const format::batch_identity expected{fuzz::cluster, fuzz::slot, fuzz::incarnation,
                                          fuzz::position};
    const auto view = format::decode_batch(bytes, volume, expected);
    if (!view) {
        return;
    }
    const std::uint64_t left = volume.ring_bytes - fuzz::position;
    fuzz::require(view->length_bytes <= bytes.size(), "the batch is inside");
    fuzz::require(view->length_bytes % volume.block_bytes == 0, "the batch is whole blocks");
    fuzz::require(view->advance_bytes >= view->length_bytes && view->advance_bytes <= left,
                  "the advance leads on, at most to the end of the lap");
    fuzz::require(fuzz::inside(view->frames, bytes), "the frames are inside");
    format::frame_reader frames(view->frames);
    for (std::uint32_t i = 0; i < view->frame_count; ++i) {
        const auto next = frames.next();
        fuzz::require(next && fuzz::inside(next->payload, bytes), "a frame is whole and inside");
    }
    fuzz::require(frames.at_end(), "the frames fill their area");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::with_and_without_repair(data, size, std::span<const char, 8>("DISKHBBA", 8), decode);
    return 0;
}
