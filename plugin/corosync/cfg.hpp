// SPDX-License-Identifier: BSD-3-Clause
// A connection to Corosync's configuration service (corosync/cfg.h): which knet links are
// connected. It says nothing by itself but that Corosync has gone: links have to be asked for
// again. No call has a timeout. One thread, that of the io_context, which also runs the handlers.
#pragma once

#include <corosync/cfg.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "plugin/corosync/dispatcher.hpp"
#include "plugin/corosync/link_states.hpp"

namespace diskhb::corosync {

class cfg {
  public:
    struct handlers {
        // Corosync has gone. Calls fail from now on.
        std::function<void(const error_code&)> on_lost;
    };

    // Handlers that are not set are not called.
    cfg(boost::asio::io_context& context, handlers call);
    ~cfg() { close(); }
    cfg(const cfg&) = delete;
    cfg& operator=(const cfg&) = delete;

    // CS_ERR_TRY_AGAIN: Corosync does not run yet.
    error_code connect();
    // Begins to call the handlers.
    error_code track();
    void close();

    result<std::uint32_t> local_node_id();
    // The links to another node of the nodelist. CS_ERR_NOT_EXIST, CS_ERR_INVALID_PARAM and others:
    // there is no such node, or not any more.
    result<node_links> links_to(std::uint32_t node_id);

  private:
    handlers handlers_;
    std::optional<corosync_cfg_handle_t> handle_;
    dispatcher dispatcher_;
};

}  // namespace diskhb::corosync
