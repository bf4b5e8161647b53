// SPDX-License-Identifier: BSD-3-Clause
// Writes intact blocks for the fuzz targets to start from: make_corpus DIRECTORY
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

#include "format/batch.hpp"
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
    const std::vector<format::acknowledgement> acks(measures.slots, {1, 2, 3});
    bytes block(measures.block_bytes);
    format::encode_table(block, measures, fuzz::cluster, header, acks, area,
                         static_cast<std::uint32_t>(sizes.size()));
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
    return EXIT_SUCCESS;
}
