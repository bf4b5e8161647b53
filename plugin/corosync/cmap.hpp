// SPDX-License-Identifier: BSD-3-Clause
// A connection to Corosync's configuration in force (cmap_overview(3)). No call has a timeout. One
// thread, that of the io_context, which also runs the handlers.
#pragma once

#include <corosync/cmap.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugin/corosync/dispatcher.hpp"

namespace diskhb::corosync {

// A node of the nodelist in force.
struct listed_node {
    std::uint32_t node_id = 0;
    std::string name;  // empty when not given
};

class cmap {
  public:
    struct handlers {
        // A key with the tracked prefix was added, changed or removed.
        std::function<void(const std::string& key)> on_change;
        // Corosync has gone. Calls fail from now on.
        std::function<void(const error_code&)> on_lost;
    };

    // Handlers that are not set are not called.
    cmap(boost::asio::io_context& context, handlers call);
    ~cmap() { close(); }
    cmap(const cmap&) = delete;
    cmap& operator=(const cmap&) = delete;

    error_code connect();
    void close();

    // CS_ERR_NOT_EXIST: there is no such key; CS_ERR_INVALID_PARAM: it is of another type.
    result<std::string> text(const std::string& key);
    // A value of any unsigned type.
    result<std::uint64_t> number(const std::string& key);

    // The nodelist, in no order.
    result<std::vector<listed_node>> nodes();

    // Begins to call the handlers, for all keys with that prefix.
    error_code track(const std::string& prefix);

  private:
    handlers handlers_;
    std::optional<cmap_handle_t> handle_;
    dispatcher dispatcher_;
};

}  // namespace diskhb::corosync
