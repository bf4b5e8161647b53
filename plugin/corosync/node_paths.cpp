// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/node_paths.hpp"

#include <algorithm>

namespace diskhb::corosync {

namespace {

bool contains(const std::vector<unsigned>& links, std::size_t link) {
    return std::find(links.begin(), links.end(), link) != links.end();
}

}  // namespace

std::vector<node_path> paths_of(const link_report& report, const std::vector<unsigned>& ring_links,
                                const std::vector<unsigned>& chosen_rings) {
    std::vector<node_path> paths;
    for (const auto& node : report.others) {
        node_path path;
        path.node_id = node.node_id;
        for (std::size_t link = 0; link < node.links.size(); ++link) {
            if (node.links[link].connected) {
                path.on_network = path.on_network || !contains(ring_links, link);
                path.on_ring = path.on_ring || contains(chosen_rings, link);
            }
        }
        paths.push_back(path);
    }
    return paths;
}

}  // namespace diskhb::corosync
