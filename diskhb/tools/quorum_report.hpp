// SPDX-License-Identifier: BSD-3-Clause
// What lies in the slots of a quorum table, for people and as JSON. Pure but for read_quorum_table;
// any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "format/quorum_block.hpp"
#include "io/volume.hpp"

namespace diskhb::tools {

struct quorum_slot_report {
    format::slot_index slot = 0;
    boost::system::error_code error;  // none: `block` is what the slot holds
    format::quorum_block block;
};

quorum_slot_report report_quorum_slot(std::span<const std::byte> block,
                                      const format::superblock& volume, format::slot_index slot);

// All slots, in one look. Throws setup_error if the table cannot be read.
std::vector<quorum_slot_report> read_quorum_table(const std::string& path,
                                                  const io::opened_volume& volume);

const char* name_of(format::quorum_state state) noexcept;
const char* name_of(format::heuristics_result result) noexcept;
const char* name_of(format::grant_state state) noexcept;
const char* name_of(format::vote_state state) noexcept;

nlohmann::ordered_json to_json(const quorum_slot_report& report);
// Some lines for people, the first with what matters; no line feed at the end.
std::vector<std::string> to_lines(const quorum_slot_report& report);

}  // namespace diskhb::tools
