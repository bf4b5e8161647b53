// SPDX-License-Identifier: BSD-3-Clause
// The parts of a volume as JSON, the same in every verb. Numbers that are drawn at random and use
// all 64 bits are hexadecimal text, since JSON readers such as jq keep 53.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "format/superblock.hpp"

namespace diskhb::tools {

// cluster, uuid, formatted_at, block_bytes, slots, ring_bytes, volume_bytes.
nlohmann::ordered_json superblock_json(const format::superblock& content);

std::string incarnation_text(std::uint64_t incarnation);  // 16 digits
std::string time_text(std::uint64_t seconds);             // RFC 3339, UTC

// "ok", or the name of the error of a block or of the device.
std::string block_state_text(const boost::system::error_code& error);

}  // namespace diskhb::tools
