// SPDX-License-Identifier: BSD-3-Clause
#include "tools/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;
using severity = finding::severity;

namespace {

bool is_error(const finding& each) noexcept { return each.how_bad == severity::error; }

}  // namespace

const char* name_of(severity how_bad) noexcept {
    switch (how_bad) {
        case severity::error:
            return "error";
        case severity::advice:
            return "advice";
        case severity::note:
            return "note";
    }
    return "unknown";
}

void finding_list::add(severity how_bad, const std::string& text) {
    list_.push_back({how_bad, printable(text)});
}

std::vector<finding> finding_list::take() {
    std::stable_sort(list_.begin(), list_.end(), [](const auto& left, const auto& right) {
        return left.how_bad < right.how_bad;
    });
    return std::move(list_);
}

bool has_error(std::span<const finding> findings) noexcept {
    return std::any_of(findings.begin(), findings.end(), is_error);
}

json findings_json(std::span<const finding> findings) {
    json value = {{"safe", !has_error(findings)}, {"findings", json::array()}};
    for (const auto& each : findings) {
        value["findings"].push_back({{"severity", name_of(each.how_bad)}, {"text", each.text}});
    }
    return value;
}

std::string findings_text(std::span<const finding> findings, const std::string& if_safe) {
    std::string text;
    for (const auto& each : findings) {
        const auto name = fmt::format("{:<8}", name_of(each.how_bad));
        text += in_colour(is_error(each) ? colour::bad : colour::bold, name) + each.text + "\n";
    }
    const auto errors = std::count_if(findings.begin(), findings.end(), is_error);
    return text + (errors != 0 ? fmt::format("{} to be corrected\n", errors)
                               : fmt::format("{}: {}\n", in_colour(colour::good, "safe"), if_safe));
}

}  // namespace diskhb::tools
