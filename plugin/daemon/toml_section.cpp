// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/toml_section.hpp"

#include <fmt/format.h>

#include <sstream>

namespace diskhb::daemon {

namespace {

std::string place(const std::string& file, const toml::source_region& source) {
    return fmt::format("{}:{}:{}", file, source.begin.line, source.begin.column);
}

// " = " and the value as it would stand in the file; nothing of tables and arrays.
std::string value_text(const toml::node& node) {
    std::ostringstream text;
    if (!node.is_table() && !node.is_array()) {
        text << " = " << toml::node_view<const toml::node>(node);
    }
    return text.str();
}

}  // namespace

std::string toml_section::where(std::string_view key) const {
    const auto* node = key.empty() ? nullptr : table_.get(key);
    return place(file_, node == nullptr ? table_.source() : node->source());
}

std::optional<std::string> toml_section::text(std::string_view key) {
    const auto* node = take(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    const auto value = node->value_exact<std::string>();
    if (!value) {
        fail_type(key, "a text in quotes");
    }
    if (value->empty() || value->find('\0') != std::string::npos) {
        fail(key, "must be a text that is not empty and has no zero byte");
    }
    return value;
}

std::string toml_section::required_text(std::string_view key) {
    auto value = text(key);
    if (!value) {
        fail({}, fmt::format("'{}' is missing", key));
    }
    return *value;
}

bool toml_section::boolean(std::string_view key, bool fallback) {
    const auto* node = take(key);
    if (node == nullptr) {
        return fallback;
    }
    const auto value = node->value_exact<bool>();
    if (!value) {
        fail_type(key, "true or false");
    }
    return *value;
}

std::optional<std::int64_t> toml_section::integer(std::string_view key, std::int64_t minimum,
                                                  std::int64_t maximum) {
    const auto* node = take(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    const auto value = node->value_exact<std::int64_t>();
    if (!value) {
        fail_type(key, "a whole number");
    }
    if (*value < minimum || *value > maximum) {
        fail_range(key, fmt::format("{} .. {}", minimum, maximum));
    }
    return value;
}

std::int64_t toml_section::integer(std::string_view key, std::int64_t fallback,
                                   std::int64_t minimum, std::int64_t maximum) {
    return integer(key, minimum, maximum).value_or(fallback);
}

std::optional<double> toml_section::number(std::string_view key, double minimum, double maximum) {
    const auto* node = take(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    auto value = node->value_exact<double>();
    if (const auto whole = node->value_exact<std::int64_t>(); whole) {
        value = static_cast<double>(*whole);
    }
    if (!value) {
        fail_type(key, "a number");
    }
    // Written so that "nan" fails too.
    if (!(*value >= minimum && *value <= maximum)) {
        fail_range(key, fmt::format("{} .. {}", minimum, maximum));
    }
    return value;
}

std::optional<std::vector<std::string>> toml_section::texts(std::string_view key) {
    const auto* node = take(key);
    if (node == nullptr || !node->is_array()) {
        return std::nullopt;
    }
    std::vector<std::string> values;
    for (const auto& element : *node->as_array()) {
        const auto value = element.value_exact<std::string>();
        if (!value || value->empty() || value->find('\0') != std::string::npos) {
            fail(key, "must hold texts in quotes, none of them empty");
        }
        values.push_back(*value);
    }
    return values;
}

std::optional<std::vector<std::int64_t>> toml_section::integers(std::string_view key,
                                                                std::int64_t minimum,
                                                                std::int64_t maximum) {
    const auto* node = take(key);
    if (node == nullptr || !node->is_array()) {
        return std::nullopt;
    }
    std::vector<std::int64_t> values;
    for (const auto& element : *node->as_array()) {
        const auto value = element.value_exact<std::int64_t>();
        if (!value || *value < minimum || *value > maximum) {
            fail(key, fmt::format("must hold whole numbers of {} .. {}", minimum, maximum));
        }
        values.push_back(*value);
    }
    return values;
}

std::vector<toml_section> toml_section::sections(std::string_view key, const std::string& name) {
    std::vector<toml_section> all;
    const auto* node = take(key);
    if (node == nullptr) {
        return all;
    }
    const auto* array = node->as_array();
    if (array == nullptr || array->empty() || !array->is_homogeneous<toml::table>()) {
        fail_type(key, fmt::format("tables: {}", name).c_str());
    }
    for (const auto& element : *array) {
        all.emplace_back(*element.as_table(), name, file_);
    }
    return all;
}

void toml_section::refuse_unknown_keys() const {
    for (const auto& [key, node] : table_) {
        if (taken_.find(key.str()) == taken_.end()) {
            throw setup_error(exit_config, fmt::format("{}: '{}' is not a key of {}; it knows: {}",
                                                       place(file_, key.source()), key.str(), name_,
                                                       fmt::join(taken_, ", ")));
        }
    }
}

void toml_section::fail(std::string_view key, const std::string& reason) const {
    const auto* node = key.empty() ? nullptr : table_.get(key);
    throw setup_error(
        exit_config, node == nullptr
                         ? fmt::format("{}: {}: {}", where(), name_, reason)
                         : fmt::format("{}: {}{}: {}", where(key), key, value_text(*node), reason));
}

const toml::node* toml_section::take(std::string_view key) {
    taken_.emplace(key);
    return table_.get(key);
}

void toml_section::fail_type(std::string_view key, const char* expected) const {
    fail(key, fmt::format("must be {}", expected));
}

void toml_section::fail_range(std::string_view key, const std::string& range) const {
    fail(key, fmt::format("is out of its range {}", range));
}

}  // namespace diskhb::daemon
