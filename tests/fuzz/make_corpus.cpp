// SPDX-License-Identifier: BSD-3-Clause
// Writes intact blocks for the fuzz targets to start from: make_corpus DIRECTORY
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

#include "format/batch.hpp"
#include "format/quorum_block.hpp"
#include "format/superblock.hpp"
#include "format/table_block.hpp"
#include "fuzz_target.hpp"

namespace {

using namespace diskhb;
using bytes = std::vector<std::byte>;

void save(const std::filesystem::path& path, std::span<const std::byte> content) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    fuzz::require(file.good(), "the file was written");
}

std::size_t append_frames(std::span<std::byte> area, std::initializer_list<std::size_t> sizes) {
    std::size_t offset = 0;
    for (const std::size_t size : sizes) {
        const bytes payload(size, std::byte{0x42});
        const bool fits = format::append_frame(
            area, offset, {format::every_slot, format::frame_kind::datagram, 1000, payload});
        fuzz::require(fits, "the frame fits");
    }
    return offset;
}

void save_table(const std::filesystem::path& path, std::initializer_list<std::size_t> sizes) {
    const auto measures = fuzz::measures();
    format::table_header header;
    header.node_id = fuzz::slot + 1;
    header.incarnation = fuzz::incarnation;
    header.sequence = 7;
    header.tail = 4096;
    header.head = 16384;
    header.head_sequence = 12;
    bytes area(format::inline_capacity_bytes(measures));
    area.resize(append_frames(area, sizes));
    const std::vector<format::acknowledgement> acks(measures.slots, {1, 2, 3, 4});
    bytes block(measures.block_bytes);
    format::encode_table(block, measures, fuzz::cluster, header, acks, area,
                         static_cast<std::uint32_t>(sizes.size()));
    save(path, block);
}

format::quorum_block quorum_block(format::slot_index slot, format::grant_state granting) {
    format::quorum_block block;
    block.node_id = slot + 1U;
    block.state = format::quorum_state::running;
    block.incarnation = fuzz::incarnation + slot;
    block.sequence = 9;
    block.ready = true;
    block.ring = {1, 28};
    block.ring_members.set(slot);
    block.joined = {format::next_ballot(600, slot), block.incarnation};
    block.linger_ms = 13000;
    block.clock_ns = 123456;
    block.echoes[0] = {fuzz::incarnation, 8};
    block.granting = granting;
    if (granting != format::grant_state::none) {
        block.value = {block.joined.number, block.ring, block.ring_members};
        block.accepted = block.value.epoch;
        block.vote = format::vote_state::yes;
        block.vote_epoch = block.value.epoch;
    }
    return block;
}

void save_quorum(const std::filesystem::path& path, format::grant_state granting) {
    const auto measures = fuzz::measures();
    bytes block(measures.block_bytes);
    format::encode_quorum(block, measures, fuzz::cluster, quorum_block(fuzz::slot, granting));
    save(path, block);
}

void save_batch(const std::filesystem::path& path, std::initializer_list<std::size_t> sizes) {
    const auto measures = fuzz::measures();
    const format::batch_identity identity{fuzz::cluster, fuzz::slot, fuzz::incarnation,
                                          fuzz::position};
    bytes buffer(1 << 17);
    const std::size_t frames_bytes =
        append_frames(std::span(buffer).subspan(format::batch_header_bytes), sizes);
    const auto count = static_cast<std::uint32_t>(sizes.size());
    save(path, count == 0 ? format::seal_padding(buffer, measures, identity, 5)
                          : format::seal_batch(buffer, measures, identity, 5, count, frames_bytes));
}

void save_superblock(const std::filesystem::path& path, std::uint32_t block_bytes) {
    format::superblock content;
    content.cluster = fuzz::cluster;
    content.cluster_name = "cluster";
    content.measures = format::make_geometry(block_bytes, 8, 1 << 20, 1 << 24).value();
    bytes block(block_bytes);
    format::encode_superblock(block, content, 0);
    save(path, block);
}

// A whole volume: three nodes whose logs go over the end of their rings, and a slot never used.
void save_volume(const std::filesystem::path& path) {
    const format::geometry wanted{4096, 4, format::ring_bytes_min, 0};
    const auto measures = format::make_geometry(wanted.block_bytes, wanted.slots, wanted.ring_bytes,
                                                wanted.needed_bytes())
                              .value();
    bytes image(measures.volume_bytes);
    const auto part = [&](std::uint64_t offset, std::size_t size) {
        return std::span(image).subspan(offset, size);
    };
    format::superblock content{fuzz::cluster, "cluster", measures, 0, 0, 1700000000};
    for (const std::uint64_t offset : {std::uint64_t{0}, measures.superblock_copy_offset()}) {
        format::encode_superblock(part(offset, 4096), content, offset);
    }
    for (format::slot_index slot = 0; slot < 3; ++slot) {
        const std::uint64_t start = (slot + 2U) * measures.ring_bytes;
        format::batch_identity identity{fuzz::cluster, slot, fuzz::incarnation + slot,
                                        start - 12288};
        auto area = part(measures.ring_offset(slot, identity.position), 8192);
        std::size_t used = append_frames(area.subspan(format::batch_header_bytes), {5, 0, 100});
        format::seal_batch(area, measures, identity, 9, 3, used);
        identity.position = start - 8192;
        format::seal_padding(part(measures.ring_offset(slot, identity.position), 4096), measures,
                             identity, 12);
        identity.position = start;
        area = part(measures.ring_offset(slot, start), 16384);
        used = append_frames(area.subspan(format::batch_header_bytes), {1500, 9000});
        format::seal_batch(area, measures, identity, 12, 2, used);

        bytes inline_area(200);
        inline_area.resize(append_frames(inline_area, {8, 60}));
        const format::table_header header{slot + 1U,
                                          format::node_state::running,
                                          identity.incarnation,
                                          7,
                                          123456,
                                          start - 12288,
                                          9,
                                          start + 12288,
                                          14};
        const std::vector<format::acknowledgement> acks(measures.slots,
                                                        {fuzz::incarnation, 2, 3, 4});
        format::encode_table(part(measures.table_offset(slot), 4096), measures, fuzz::cluster,
                             header, acks, inline_area, 2);
        format::encode_quorum(part(measures.quorum_offset(slot), 4096), measures, fuzz::cluster,
                              quorum_block(slot, slot == 1 ? format::grant_state::granted
                                                           : format::grant_state::none));
    }
    save(path, image);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
        return EXIT_FAILURE;
    }
    const std::filesystem::path root = argv[1];
    save_table(root / "table_block" / "no_frames", {});
    save_table(root / "table_block" / "three_frames", {5, 0, 100});
    save_table(root / "table_block" / "full",
               {format::inline_capacity_bytes(fuzz::measures()) - format::frame_header_bytes});
    save_batch(root / "batch" / "padding", {});
    save_batch(root / "batch" / "one_block", {5, 0, 100});
    save_batch(root / "batch" / "several_blocks", {1500, 1, 9000});
    save_superblock(root / "superblock" / "small_blocks", 4096);
    save_superblock(root / "superblock" / "large_blocks", 16384);
    save_quorum(root / "quorum_block" / "member", format::grant_state::none);
    save_quorum(root / "quorum_block" / "challenger", format::grant_state::claimed);
    save_quorum(root / "quorum_block" / "holder", format::grant_state::granted);
    save_volume(root / "volume" / "image");
    return EXIT_SUCCESS;
}
