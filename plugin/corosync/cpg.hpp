// SPDX-License-Identifier: BSD-3-Clause
// A member of a closed process group (cpg_overview(3)): messages that every member gets, all in one
// order. What others send is bytes of a stranger. No call has a timeout. One thread, that of the
// io_context, which also runs the handlers.
#pragma once

#include <corosync/cpg.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "plugin/corosync/dispatcher.hpp"

namespace diskhb::corosync {

// A process of the group; a node may have several.
struct group_member {
    std::uint32_t node_id = 0;
    std::uint32_t pid = 0;
    auto operator<=>(const group_member&) const = default;
};

class cpg {
  public:
    struct handlers {
        // Also our own messages: they come when they have their place among all others.
        std::function<void(const group_member& from, std::span<const std::byte> message)>
            on_message;
        // All members from now on, ourselves too.
        std::function<void(std::span<const group_member> members)> on_members;
        // Corosync has gone. Calls fail from now on.
        std::function<void(const error_code&)> on_lost;
    };

    // All handlers must be set.
    cpg(boost::asio::io_context& context, handlers call);
    ~cpg() { close(); }
    cpg(const cpg&) = delete;
    cpg& operator=(const cpg&) = delete;

    // CS_ERR_TRY_AGAIN: Corosync does not run, or has not formed its first membership yet.
    error_code connect();
    // Begins to call the handlers. CS_ERR_TRY_AGAIN: the membership changes just now.
    error_code join(const std::string& group);
    void close();

    // CS_ERR_TRY_AGAIN: nothing was sent, there is no room now.
    error_code send(std::span<const std::byte> message);

  private:
    handlers handlers_;
    std::optional<cpg_handle_t> handle_;
    dispatcher dispatcher_;
};

}  // namespace diskhb::corosync
