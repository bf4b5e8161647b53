// SPDX-License-Identifier: BSD-3-Clause
#include "tools/live_nodes.hpp"

#include <algorithm>
#include <optional>
#include <thread>

#include "format/quorum_block.hpp"
#include "format/table_block.hpp"
#include "plugin/quorum/timing.hpp"
#include "tools/volume_access.hpp"

namespace diskhb::tools {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(50);

// What one look at both tables showed.
struct sight {
    // Two a slot, of the node table and the quorum table; nothing where no intact block lies.
    std::vector<std::optional<format::block_stamp>> stamps;
    // How rarely a node of the quorum disk may write. Its interval is not in its block, but drop,
    // of which it is a fraction, is part of linger.
    std::chrono::milliseconds quorum_interval{0};
};

sight look(volume_reader& reader, const format::superblock& volume) {
    const auto& measures = volume.measures;
    // The tables lie side by side (doc/format.md, "Layout").
    const auto tables = reader.read(measures.table_offset(), 2 * measures.table_bytes());
    const auto block_of = [&](std::size_t table, format::slot_index slot) {
        return tables.subspan(table * measures.table_bytes() + slot * measures.block_bytes,
                              measures.block_bytes);
    };
    sight seen;
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        auto& beat = seen.stamps.emplace_back();
        if (const auto block =
                format::decode_table(block_of(0, slot), measures, volume.cluster, slot)) {
            beat = format::block_stamp{block->incarnation, block->sequence};
        }
        auto& quorum = seen.stamps.emplace_back();
        if (const auto block =
                format::decode_quorum(block_of(1, slot), measures, volume.cluster, slot)) {
            quorum = format::block_stamp{block->incarnation, block->sequence};
            if (block->state != format::quorum_state::stopped) {
                const std::chrono::milliseconds linger(block->linger_ms);
                seen.quorum_interval = std::clamp(linger / quorum::intervals_in_drop_min,
                                                  seen.quorum_interval, quorum::interval_max);
            }
        }
    }
    return seen;
}

}  // namespace

std::vector<std::uint32_t> nodes_alive(const std::string& path, io::block_device& device,
                                       const format::superblock& volume,
                                       std::chrono::nanoseconds watch_time) {
    volume_reader reader(path, device, 2 * volume.measures.table_bytes());
    const sight first = look(reader, volume);
    std::vector<std::uint32_t> alive;
    const auto deadline = std::chrono::steady_clock::now() +
                          std::max<std::chrono::nanoseconds>(watch_time, first.quorum_interval);
    while (alive.empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(look_interval);
        const sight now = look(reader, volume);
        for (std::size_t index = 0; index < now.stamps.size(); ++index) {
            const auto node = static_cast<std::uint32_t>(index / 2 + 1);
            if (now.stamps[index] && now.stamps[index] != first.stamps[index] &&
                (alive.empty() || alive.back() != node)) {
                // A torn block that turns whole again may still be the old one, but only a
                // writer at work tears blocks.
                alive.push_back(node);
            }
        }
    }
    return alive;
}

}  // namespace diskhb::tools
