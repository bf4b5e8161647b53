// SPDX-License-Identifier: BSD-3-Clause
// Sizes, colours and strangers' text, as the verbs print and read them. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace diskhb::tools {

// "16 MiB", "4 KiB", "1000 B": the largest unit that leaves a whole number.
std::string size_text(std::uint64_t bytes);

// Reads "65536", "64K", "64KiB", "16M", "1g"; powers of 1024. Throws setup_error with exit_usage
// that names the option.
std::uint64_t parse_size(const std::string& option, const std::string& text);

// Bytes that a device or a file name brought, made fit for a terminal and for UTF-8 JSON: all but
// printable ASCII becomes '?'.
std::string printable(std::string_view text);

// The text in bold, green or red if stdout is a terminal and NO_COLOR is not set.
enum class colour { bold, good, bad };
std::string in_colour(colour which, const std::string& text);

}  // namespace diskhb::tools
