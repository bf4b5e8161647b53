// SPDX-License-Identifier: BSD-3-Clause
// What the replies on all control sockets have in common: one JSON object a line, with "ok". Pure;
// any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace diskhb::daemon {

inline constexpr std::size_t request_bytes_max = 4096;

// Without the line feed. Host names and paths are bytes: what is not UTF-8 is replaced, never
// thrown about.
std::string to_line(const nlohmann::ordered_json& value);

std::string error_reply(const std::string& error, int exit_code);

}  // namespace diskhb::daemon
