// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/cfg.hpp"

#include <cstring>
#include <utility>

namespace diskhb::corosync {
namespace {

const error_code not_connected = to_error(CS_ERR_BAD_HANDLE);

// The library does not promise that what it copied ends with a zero.
std::string text_of(const char (&text)[CFG_MAX_HOST_LEN]) {
    return {text, ::strnlen(text, sizeof text)};
}

}  // namespace

static_assert(CFG_MAX_LINKS == link_count_max);

cfg::cfg(boost::asio::io_context& context, handlers call)
    : handlers_(std::move(call)), dispatcher_(context) {}

error_code cfg::connect() {
    close();
    corosync_cfg_handle_t handle = 0;
    if (const cs_error_t error = ::corosync_cfg_initialize(&handle, nullptr); error != CS_OK) {
        return to_error(error);
    }
    handle_ = handle;
    return {};
}

error_code cfg::track() {
    if (!handle_) {
        return not_connected;
    }
    int descriptor = -1;
    if (const cs_error_t error = ::corosync_cfg_fd_get(*handle_, &descriptor); error != CS_OK) {
        return to_error(error);
    }
    return dispatcher_.watch(
        descriptor,
        [handle = *handle_] { return to_error(::corosync_cfg_dispatch(handle, CS_DISPATCH_ALL)); },
        [this](const error_code& lost) {
            if (handlers_.on_lost) {
                handlers_.on_lost(lost);
            }
        });
}

void cfg::close() {
    dispatcher_.release();
    if (handle_) {
        (void)::corosync_cfg_finalize(*std::exchange(handle_, std::nullopt));
    }
}

result<std::uint32_t> cfg::local_node_id() {
    if (!handle_) {
        return not_connected;
    }
    std::uint32_t node_id = 0;
    if (const cs_error_t error = ::corosync_cfg_local_get(*handle_, &node_id); error != CS_OK) {
        return to_error(error);
    }
    return node_id;
}

result<node_links> cfg::links_to(std::uint32_t node_id) {
    if (!handle_) {
        return not_connected;
    }
    corosync_cfg_node_status_v1 status{};
    if (const cs_error_t error =
            ::corosync_cfg_node_status_get(*handle_, node_id, CFG_NODE_STATUS_V1, &status);
        error != CS_OK) {
        return to_error(error);
    }
    node_links node;
    node.node_id = status.nodeid;
    node.reachable = status.reachable != 0;
    for (std::size_t link = 0; link < link_count_max; ++link) {
        const auto& from = status.link_status[link];
        node.links[link].enabled = from.enabled != 0;
        node.links[link].connected = from.connected != 0;
        node.links[link].local_address = text_of(from.src_ipaddr);
        node.links[link].peer_address = text_of(from.dst_ipaddr);
    }
    return node;
}

}  // namespace diskhb::corosync
