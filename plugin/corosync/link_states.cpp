// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/link_states.hpp"

#include <corosync/cfg.h>
#include <corosync/cmap.h>
#include <fmt/format.h>

namespace diskhb::corosync {

namespace {

// Connections that end with their scope.
class cfg_connection {
  public:
    cfg_connection() : error_(corosync_cfg_initialize(&handle_, nullptr)) {}
    ~cfg_connection() {
        if (error_ == CS_OK) {
            (void)corosync_cfg_finalize(handle_);
        }
    }
    cfg_connection(const cfg_connection&) = delete;
    cfg_connection& operator=(const cfg_connection&) = delete;
    cs_error_t error() const noexcept { return error_; }
    corosync_cfg_handle_t handle() const noexcept { return handle_; }

  private:
    corosync_cfg_handle_t handle_ = 0;
    cs_error_t error_;
};

class cmap_connection {
  public:
    cmap_connection() : error_(cmap_initialize(&handle_)) {}
    ~cmap_connection() {
        if (error_ == CS_OK) {
            (void)cmap_finalize(handle_);
        }
    }
    cmap_connection(const cmap_connection&) = delete;
    cmap_connection& operator=(const cmap_connection&) = delete;
    cs_error_t error() const noexcept { return error_; }
    cmap_handle_t handle() const noexcept { return handle_; }

  private:
    cmap_handle_t handle_ = 0;
    cs_error_t error_;
};

// The keys nodelist.node.N.nodeid, in no order.
result<std::vector<std::uint32_t>> read_node_ids() {
    const cmap_connection map;
    if (map.error() != CS_OK) {
        return to_error(map.error());
    }
    cmap_iter_handle_t iterator = 0;
    if (const auto error = cmap_iter_init(map.handle(), "nodelist.node.", &iterator);
        error != CS_OK) {
        return to_error(error);
    }
    std::vector<std::uint32_t> ids;
    char key[CMAP_KEYNAME_MAXLEN + 1];
    std::size_t bytes = 0;
    cmap_value_types_t type{};
    while (cmap_iter_next(map.handle(), iterator, key, &bytes, &type) == CS_OK) {
        std::uint32_t id = 0;
        if (std::string_view(key).ends_with(".nodeid") &&
            cmap_get_uint32(map.handle(), key, &id) == CS_OK) {
            ids.push_back(id);
        }
    }
    (void)cmap_iter_finalize(map.handle(), iterator);
    return ids;
}

node_links to_node_links(const corosync_cfg_node_status_v1& status) {
    node_links node;
    node.node_id = status.nodeid;
    node.reachable = status.reachable != 0;
    for (std::size_t link = 0; link < link_count_max; ++link) {
        node.links[link].enabled = status.link_status[link].enabled != 0;
        node.links[link].connected = status.link_status[link].connected != 0;
    }
    return node;
}

}  // namespace

static_assert(CFG_MAX_LINKS == link_count_max);

result<link_report> read_link_states() {
    const auto ids = read_node_ids();
    if (!ids) {
        return ids.error();
    }
    const cfg_connection configuration;
    if (configuration.error() != CS_OK) {
        return to_error(configuration.error());
    }
    link_report report;
    if (const auto error = corosync_cfg_local_get(configuration.handle(), &report.local_node_id);
        error != CS_OK) {
        return to_error(error);
    }
    for (const auto id : *ids) {
        if (id == report.local_node_id) {
            continue;
        }
        corosync_cfg_node_status_v1 status{};
        if (const auto error = corosync_cfg_node_status_get(configuration.handle(), id,
                                                            CFG_NODE_STATUS_V1, &status);
            error != CS_OK) {
            return to_error(error);
        }
        report.others.push_back(to_node_links(status));
    }
    return report;
}

}  // namespace diskhb::corosync
