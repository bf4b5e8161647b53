// SPDX-License-Identifier: BSD-3-Clause
// What lies in one slot of a volume: its block of the node table and the batches of its ring. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/batch.hpp"
#include "format/superblock.hpp"
#include "format/table_block.hpp"

namespace diskhb::tools {

struct frame_report {
    std::uint64_t length_bytes = 0;
    format::slot_index destination = 0;
    format::frame_kind kind = format::frame_kind::datagram;
    std::uint64_t submitted_ns = 0;
};

struct batch_report {
    std::uint64_t position = 0;
    std::uint64_t first_sequence = 0;
    std::uint32_t frames = 0;  // none: a padding batch
    std::uint32_t length_bytes = 0;
    std::uint64_t advance_bytes = 0;
};

struct slot_report {
    format::slot_index slot = 0;
    boost::system::error_code table_error;  // none: the fields below are those of the block
    format::table_header header;
    std::vector<format::acknowledgement> acknowledgements;  // one a slot
    std::vector<frame_report> inline_frames;
    std::vector<batch_report> batches;             // in [tail, head), those that are intact
    std::map<std::string, std::uint64_t> invalid;  // blocks there that begin no batch, by kind
};

// Decodes a slot's table block. The ring is for report_ring.
slot_report report_table(std::span<const std::byte> block, const format::superblock& volume,
                         format::slot_index slot);

// Walks the log that the table block names through `ring` (all of the slot's ring). A damaged
// batch does not tell its length, so the walk goes on block by block until one is intact again.
// REQUIRES: no table_error.
void report_ring(slot_report& report, std::span<const std::byte> ring,
                 const format::superblock& volume);

const char* node_state_text(format::node_state state) noexcept;
const char* frame_kind_text(format::frame_kind kind) noexcept;
std::string destination_text(format::slot_index destination);  // a node id, or "all"

nlohmann::ordered_json to_json(const slot_report& report);

}  // namespace diskhb::tools
