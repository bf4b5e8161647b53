// SPDX-License-Identifier: BSD-3-Clause
#include "tools/text.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "diskhb/error.hpp"

namespace diskhb::tools {
namespace {

constexpr std::string_view units = "KMGT";

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// The power of two that a suffix stands for: 0 for none or "b"; -1 if it is not one.
int suffix_shift(const std::string& suffix) {
    if (suffix.empty() || suffix == "b") {
        return 0;
    }
    const std::string rest = suffix.substr(1);
    if (!rest.empty() && rest != "b" && rest != "ib") {
        return -1;
    }
    const auto unit = lower(std::string(units)).find(suffix[0]);
    return unit == std::string::npos ? -1 : static_cast<int>(unit + 1) * 10;
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
    std::size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{} {}iB", bytes, units[unit - 1]);
}

std::uint64_t parse_size(const std::string& option, const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, problem] = std::from_chars(text.data(), end, number);
    const int shift = suffix_shift(lower(std::string(rest, end)));
    if (problem != std::errc{} || shift < 0 || std::countl_zero(number) < shift) {
        throw setup_error(exit_usage,
                          fmt::format("{} {}: not a size; write it like 65536, 64K or 16M", option,
                                      printable(text)));
    }
    return number << shift;
}

std::string printable(std::string_view text) {
    std::string clean(text);
    std::ranges::replace_if(
        clean, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return clean;
}

std::string in_colour(colour which, const std::string& text) {
    static const bool wanted = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    constexpr std::array<int, 3> codes = {1, 32, 31};
    return wanted ? fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<std::size_t>(which)], text)
                  : text;
}

}  // namespace diskhb::tools
