// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/conf_text.hpp"

#include <fmt/format.h>

namespace diskhb::corosync {

namespace {

// Corosync reads into a buffer of 512 bytes, with the line feed and the terminating zero.
constexpr std::size_t line_bytes_max = 510;
constexpr std::size_t path_bytes_max = 254;  // ICMAP_KEYNAME_MAXLEN - 1
constexpr std::size_t depth_max = 32;        // Corosync recurses without a limit; nobody needs it
constexpr std::string_view blanks = " \t";

std::string_view trim_left(std::string_view text) {
    const auto first = text.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

std::string_view trim_right(std::string_view text, std::string_view what) {
    const auto last = text.find_last_not_of(what);
    return last == std::string_view::npos ? std::string_view{} : text.substr(0, last + 1);
}

// A name in front of ':' or '{': Corosync also forgives repeated ones ("totem {{" is no section,
// but "key ::" is a key).
std::string_view name_before(std::string_view line, std::size_t mark) {
    return trim_right(trim_left(line.substr(0, mark)), " \t:{");
}

class text_parser {
  public:
    text_parser(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

    conf_text parse() {
        std::string_view line;
        while (next_line(line)) {
            parse_line(line);
        }
        if (!open_.empty()) {
            fail("Missing closing brace");
        }
        return std::move(result_);
    }

  private:
    [[noreturn]] void fail(const std::string& reason) const {
        throw_conf_error(path_, line_number_, reason);
    }

    bool next_line(std::string_view& line) {
        if (rest_.empty()) {
            return false;
        }
        ++line_number_;
        const auto end = rest_.find('\n');
        line = rest_.substr(0, end);
        rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
        if (line.size() > line_bytes_max) {
            fail(fmt::format("Line too long: {} bytes, at most {}", line.size(), line_bytes_max));
        }
        // A zero byte ends a line for Corosync; refusing it keeps both readings the same.
        if (line.find('\0') != std::string_view::npos) {
            fail("Zero byte in the line");
        }
        if (!line.empty() && line.back() == '\r') {
            line.remove_suffix(1);
        }
        line = trim_right(line, blanks);
        return true;
    }

    void parse_line(std::string_view line) {
        const auto trimmed = trim_left(line);
        if (trimmed.empty() || trimmed.front() == '#') {
            return;
        }
        // The order matters: a brace anywhere makes the line a section, even inside a value.
        if (const auto brace = line.find('{'); brace != std::string_view::npos) {
            open_section(line, brace);
        } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
            add_item(line, colon);
        } else if (line.find('}') != std::string_view::npos) {
            close_section(trimmed);
        } else {
            fail("Line is not opening or closing section or key value");
        }
    }

    void open_section(std::string_view line, std::size_t brace) {
        const auto name = name_before(line, brace);
        if (name.empty()) {
            fail("Missing section name before opening bracket '{'");
        }
        if (!trim_left(line.substr(brace + 1)).empty()) {
            fail("Extra characters after opening bracket '{'");
        }
        if (open_.size() >= depth_max) {
            fail("Sections nested too deep");
        }
        const auto full = join(current(), name);
        open_.push_back(numbered(full));
    }

    void close_section(std::string_view trimmed) {
        if (trimmed != "}") {
            fail("Extra characters before or after closing bracket '}'");
        }
        if (open_.empty()) {
            fail("Unexpected closing brace");
        }
        open_.pop_back();
    }

    void add_item(std::string_view line, std::size_t colon) {
        const auto key = name_before(line, colon);
        if (key.empty()) {
            fail("Missing key name before ':'");
        }
        const auto value = trim_left(line.substr(colon + 1));
        result_.items.push_back({join(current(), key), std::string(value), line_number_});
    }

    std::string current() const { return open_.empty() ? std::string() : open_.back(); }

    std::string join(const std::string& parent, std::string_view name) const {
        std::string full = parent.empty() ? std::string(name) : fmt::format("{}.{}", parent, name);
        if (full.size() > path_bytes_max) {
            fail(fmt::format("Total cmap path too long: {} bytes, at most {}", full.size(),
                             path_bytes_max));
        }
        return full;
    }

    // Interface sections and nodes come many times under one name: each gets its position.
    std::string numbered(const std::string& full) {
        unsigned* counter = nullptr;
        if (full == "totem.interface") {
            counter = &interfaces_;
        } else if (full == "nodelist.node") {
            counter = &nodes_;
        } else {
            return full;
        }
        const auto path = fmt::format("{}.{}", full, (*counter)++);
        result_.sections.push_back({path, line_number_});
        return path;
    }

    std::string_view rest_;
    const std::string& path_;
    unsigned line_number_ = 0;
    unsigned interfaces_ = 0;
    unsigned nodes_ = 0;
    std::vector<std::string> open_;  // paths of the sections we are in
    conf_text result_;
};

}  // namespace

void throw_conf_error(const std::string& path, unsigned line, const std::string& reason) {
    throw setup_error(exit_config, fmt::format("{}:{}: {}", path, line, reason));
}

conf_text parse_conf_text(std::string_view text, const std::string& path) {
    return text_parser(text, path).parse();
}

}  // namespace diskhb::corosync
