// SPDX-License-Identifier: BSD-3-Clause
// A table of a TOML file read strictly: every key is asked for with its type and range, and a key
// that nobody asked for is an error. Errors are setup_error(exit_config) with
// "FILE:LINE:COLUMN: key = value: what is allowed". At start only; one thread.
#pragma once

#include <toml++/toml.h>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "diskhb/error.hpp"

namespace diskhb::daemon {

class toml_section {
  public:
    // `name` is what errors call it ("[control]"); the table outlives the section.
    toml_section(const toml::table& table, std::string name, const std::string& file)
        : table_(table), name_(std::move(name)), file_(file) {}

    bool has(std::string_view key) const { return table_.get(key) != nullptr; }
    // Where a key stands, or the section if it does not: "FILE:LINE:COLUMN".
    std::string where(std::string_view key = {}) const;

    // A missing key gives nothing (or the fallback); a wrong type or an empty text throws.
    std::optional<std::string> text(std::string_view key);
    std::string required_text(std::string_view key);
    bool boolean(std::string_view key, bool fallback);
    std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t minimum,
                         std::int64_t maximum);
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t minimum,
                                        std::int64_t maximum);
    // Whole or with a fraction: times in milliseconds.
    std::optional<double> number(std::string_view key, double minimum, double maximum);

    // An array; nothing if the key is missing or its value is no array. Every element must be a
    // text that is not empty, or a whole number within the limits.
    std::optional<std::vector<std::string>> texts(std::string_view key);
    std::optional<std::vector<std::int64_t>> integers(std::string_view key, std::int64_t minimum,
                                                      std::int64_t maximum);

    // An array of tables, [[NAME.key]], each a section of its own; empty if the key is missing.
    std::vector<toml_section> sections(std::string_view key, const std::string& name);

    // A sub-table that is read as a section of its own: known from now on.
    void take_table(std::string_view key) { (void)take(key); }

    // Throws for the first key that was not asked for.
    void refuse_unknown_keys() const;

    [[noreturn]] void fail(std::string_view key, const std::string& reason) const;

  private:
    const toml::node* take(std::string_view key);
    [[noreturn]] void fail_type(std::string_view key, const char* expected) const;
    [[noreturn]] void fail_range(std::string_view key, const std::string& range) const;

    const toml::table& table_;
    std::string name_;
    const std::string& file_;
    std::set<std::string, std::less<>> taken_;
};

}  // namespace diskhb::daemon
