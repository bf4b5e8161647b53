// SPDX-License-Identifier: BSD-3-Clause
// What a check of a configuration or of a running cluster finds, and how it is told. Pure; any
// thread.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace diskhb::tools {

struct finding {
    enum class severity {
        error,   // unsafe, or it will not work
        advice,  // it works, but less well than it could
        note,    // what follows from the configuration, for the administrator to know
    };
    severity how_bad = severity::error;
    std::string text;  // one line: what, the value, what to do
    bool operator==(const finding&) const = default;
};
const char* name_of(finding::severity how_bad) noexcept;

// Gathers them; a text may hold what was read from a file or a volume.
class finding_list {
  public:
    void add(finding::severity how_bad, const std::string& text);
    // Errors first, then advice, then notes, each in the order in which they were added.
    std::vector<finding> take();

  private:
    std::vector<finding> list_;
};

bool has_error(std::span<const finding> findings) noexcept;

// "safe" and "findings".
nlohmann::ordered_json findings_json(std::span<const finding> findings);
// A line each, and what it comes to: how many are to be corrected, or that it is safe, and then
// `if_safe`.
std::string findings_text(std::span<const finding> findings, const std::string& if_safe);

}  // namespace diskhb::tools
