// SPDX-License-Identifier: BSD-3-Clause
#include "tools/reply_text.hpp"

#include <fmt/format.h>

#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? printable(found->get<std::string>())
                                                       : std::string();
}

double number_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

bool flag_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

json list_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_array() ? *found : json::array();
}

json object_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_object() ? *found : json::object();
}

std::string node_text(const json& node) {
    const auto name = text_of(node, "name");
    const auto id = fmt::format("{:.0f}", number_of(node, "node"));
    return name.empty() ? id : fmt::format("{} ({})", id, name);
}

std::string duration_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 120) {
        return fmt::format("{} s", whole);
    }
    return whole < 7200 ? fmt::format("{} min", whole / 60)
                        : fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string age_text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number()
               ? fmt::format("{:.0f} ms", found->get<double>())
               : std::string("never");
}

std::string state_text(const std::string& state, bool good, std::size_t width) {
    const auto padded = fmt::format("{:<{}}", state, width);
    return in_colour(good ? colour::good : colour::bad, padded);
}

}  // namespace diskhb::tools
