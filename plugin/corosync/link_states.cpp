// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/link_states.hpp"

#include <boost/asio/io_context.hpp>

#include "plugin/corosync/cfg.hpp"
#include "plugin/corosync/cmap.hpp"

namespace diskhb::corosync {

result<link_report> read_link_states(cfg& links, const std::vector<std::uint32_t>& node_ids,
                                     const std::function<void()>& on_answer) {
    const auto local = links.local_node_id();
    if (!local) {
        return local.error();
    }
    link_report report;
    report.local_node_id = *local;
    for (const auto id : node_ids) {
        if (id == report.local_node_id) {
            continue;
        }
        auto node = links.links_to(id);
        if (on_answer) {
            on_answer();
        }
        if (node) {
            report.others.push_back(std::move(*node));
        } else if (node.error() != to_error(CS_ERR_NOT_EXIST) &&
                   node.error() != to_error(CS_ERR_INVALID_PARAM)) {
            return node.error();
        }
    }
    return report;
}

result<link_report> read_link_states() {
    boost::asio::io_context never_run;
    cmap map(never_run, {});
    if (const auto error = map.connect(); error) {
        return error;
    }
    const auto nodes = map.nodes();
    if (!nodes) {
        return nodes.error();
    }
    cfg links(never_run, {});
    if (const auto error = links.connect(); error) {
        return error;
    }
    std::vector<std::uint32_t> ids;
    for (const auto& node : *nodes) {
        ids.push_back(node.node_id);
    }
    return read_link_states(links, ids);
}

}  // namespace diskhb::corosync
