// SPDX-License-Identifier: BSD-3-Clause
#include "tools/configured_rings.hpp"

#include "plugin/daemon/cluster_config.hpp"

namespace diskhb::tools {

std::vector<configured_ring> configured_rings(const std::string& path) {
    std::vector<configured_ring> rings;
    const auto root = daemon::parse_toml(daemon::read_text(path), path);
    if (const auto* tables = root.get_as<toml::array>("ring"); tables != nullptr) {
        for (const auto& element : *tables) {
            if (const auto* table = element.as_table(); table != nullptr) {
                rings.push_back({(*table)["interface"].value_or(std::string("dhb0")),
                                 (*table)["link"].value_or(1U)});
            }
        }
    }
    return rings;
}

std::vector<unsigned> links_of(const std::vector<configured_ring>& rings) {
    std::vector<unsigned> links;
    for (const auto& ring : rings) {
        links.push_back(ring.link);
    }
    return links;
}

}  // namespace diskhb::tools
