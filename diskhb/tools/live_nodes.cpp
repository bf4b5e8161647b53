// SPDX-License-Identifier: BSD-3-Clause
#include "tools/live_nodes.hpp"

#include <algorithm>
#include <optional>
#include <thread>

#include "format/table_block.hpp"
#include "tools/volume_access.hpp"

namespace diskhb::tools {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(50);

using stamps = std::vector<std::optional<format::block_stamp>>;

// One stamp a slot; nothing where no intact block lies.
stamps look(volume_reader& reader, const format::superblock& volume) {
    const auto& measures = volume.measures;
    const auto table = reader.read(measures.table_offset(), measures.table_bytes());
    stamps seen(measures.slots);
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        const auto block =
            table.subspan(std::size_t{slot} * measures.block_bytes, measures.block_bytes);
        if (const auto decoded = format::decode_table(block, measures, volume.cluster, slot)) {
            seen[slot] = format::block_stamp{decoded->incarnation, decoded->sequence};
        }
    }
    return seen;
}

}  // namespace

std::vector<std::uint32_t> nodes_alive(const std::string& path, io::block_device& device,
                                       const format::superblock& volume,
                                       std::chrono::nanoseconds watch_time) {
    volume_reader reader(path, device, volume.measures.table_bytes());
    stamps last = look(reader, volume);
    std::vector<std::uint32_t> alive;
    const auto deadline = std::chrono::steady_clock::now() + watch_time;
    while (alive.empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(look_interval);
        const stamps now = look(reader, volume);
        for (std::size_t slot = 0; slot < now.size(); ++slot) {
            if (now[slot] && last[slot] != now[slot]) {
                // A torn block that turns whole again may still be the old one, but only a
                // writer at work tears blocks.
                alive.push_back(static_cast<std::uint32_t>(slot + 1));
            }
        }
    }
    return alive;
}

}  // namespace diskhb::tools
