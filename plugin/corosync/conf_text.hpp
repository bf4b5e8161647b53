// SPDX-License-Identifier: BSD-3-Clause
// The text layer of corosync.conf: lines, sections, keys (exec/coroparse.c of Corosync 3.1.7,
// parse_section). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"

namespace diskhb::corosync {

// Where a section that is counted begins: an interface section or a node.
struct conf_section {
    std::string path;  // "totem.interface.0" (by position in the file), "nodelist.node.0"
    unsigned line = 0;
};

struct conf_text {
    std::vector<conf_item> items;        // interface keys read "totem.interface.POSITION.key"
    std::vector<conf_section> sections;  // of interfaces and nodes only
};

// Throws setup_error(exit_config), "PATH:LINE: reason".
conf_text parse_conf_text(std::string_view text, const std::string& path);

[[noreturn]] void throw_conf_error(const std::string& path, unsigned line,
                                   const std::string& reason);

}  // namespace diskhb::corosync
