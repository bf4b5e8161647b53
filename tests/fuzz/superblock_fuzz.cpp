// SPDX-License-Identifier: BSD-3-Clause
// Whatever the first block of a device holds: refused, or measures that make_geometry would give
// and that encode to the same again.
#include "format/superblock.hpp"

#include "fuzz_target.hpp"

namespace {

using namespace diskhb;

void decode(std::span<const std::byte> block) {
    const auto found = format::decode_superblock(block, 0);
    if (!found) {
        return;
    }
    const auto& measures = found->measures;
    const auto made = format::make_geometry(measures.block_bytes, measures.slots,
                                            measures.ring_bytes, measures.volume_bytes);
    fuzz::require(made && *made == measures, "the measures are possible");
    fuzz::require(measures.block_bytes <= block.size(), "the block is inside");
    fuzz::require(measures.needed_bytes() <= measures.volume_bytes, "the parts fit the volume");
    std::vector<std::byte> again(measures.block_bytes);
    format::encode_superblock(again, *found, 0);
    const auto same = format::decode_superblock(again, 0);
    fuzz::require(same && *same == *found, "what was decoded encodes to the same");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::with_and_without_repair(data, size, std::span<const char, 8>("DISKHBSB", 8), decode);
    return 0;
}
