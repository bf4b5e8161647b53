// SPDX-License-Identifier: BSD-3-Clause
// The members of a daemon's reply as text. Forgiving: another version of the daemon may lack some.
// Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

// Made printable; empty if it is not there or no text.
std::string text_of(const nlohmann::ordered_json& object, const char* key);
double number_of(const nlohmann::ordered_json& object, const char* key);
bool flag_of(const nlohmann::ordered_json& object, const char* key);
// An array or object; empty if there is none.
nlohmann::ordered_json list_of(const nlohmann::ordered_json& object, const char* key);
nlohmann::ordered_json object_of(const nlohmann::ordered_json& object, const char* key);

// "2 (n2)", of the members "node" and "name".
std::string node_text(const nlohmann::ordered_json& node);
// "73 s", "15 min", "3 h 20 min".
std::string duration_text(double seconds);
// "180 ms" of a member in milliseconds, "never" if it is null or missing.
std::string age_text(const nlohmann::ordered_json& object, const char* key);
// Padded before it is coloured: the colour's bytes must not count.
std::string state_text(const std::string& state, bool good, std::size_t width);

}  // namespace diskhb::tools
