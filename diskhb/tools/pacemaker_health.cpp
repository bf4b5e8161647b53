// SPDX-License-Identifier: BSD-3-Clause
#include "tools/pacemaker_health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include "tools/text.hpp"

namespace diskhb::tools {

namespace {

constexpr std::size_t output_bytes_max = 8 << 20;

// The value of an attribute in a start tag; empty if it has none.
std::string_view attribute(std::string_view tag, const std::string& name) {
    const auto at = tag.find(" " + name + "=\"");
    if (at == std::string_view::npos) {
        return {};
    }
    const auto begin = at + name.size() + 3;
    return tag.substr(begin, tag.find('"', begin) - begin);
}

// All start tags of that name.
std::vector<std::string_view> tags_of(std::string_view xml, const std::string& name) {
    std::vector<std::string_view> tags;
    const auto begin = "<" + name + " ";
    for (auto at = xml.find(begin); at != std::string_view::npos; at = xml.find(begin, at + 1)) {
        tags.push_back(xml.substr(at, xml.find('>', at) - at));
    }
    return tags;
}

}  // namespace

std::string problem_in(const std::string& crm_mon_xml) {
    std::vector<std::string> problems;
    for (const auto& tag : tags_of(crm_mon_xml, "resource")) {
        for (const char* const state : {"failed", "blocked"}) {
            if (attribute(tag, state) == "true") {
                problems.push_back(
                    fmt::format("resource {} is {}", printable(attribute(tag, "id")), state));
            }
        }
    }
    for (const auto& tag : tags_of(crm_mon_xml, "node")) {
        if (attribute(tag, "unclean") == "true") {
            problems.push_back(
                fmt::format("node {} is to be fenced", printable(attribute(tag, "name"))));
        }
    }
    std::sort(problems.begin(), problems.end());
    problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
    return fmt::format("{}", fmt::join(problems, ", "));
}

std::optional<std::string> pacemaker_problem() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
        popen("exec timeout -k 1 5 crm_mon --one-shot --output-as=xml 2>/dev/null", "re"), &pclose);
    if (!pipe) {
        return std::nullopt;
    }
    std::string xml;
    std::array<char, 4096> buffer{};
    std::size_t count = 0;
    while (xml.size() < output_bytes_max &&
           (count = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0) {
        xml.append(buffer.data(), count);
    }
    // Without a cluster it prints a status with an error and no nodes.
    const bool has_answered = xml.find("<summary>") != std::string::npos;
    return has_answered ? std::optional(problem_in(xml)) : std::nullopt;
}

}  // namespace diskhb::tools
