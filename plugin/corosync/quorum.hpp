// SPDX-License-Identifier: BSD-3-Clause
// A connection to Corosync's quorum service (quorum_overview(3)): whether this node is quorate, and
// in which membership, as all of the stack is told. No call has a timeout. One thread, that of the
// io_context, which also runs the handlers.
#pragma once

#include <corosync/quorum.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "plugin/corosync/dispatcher.hpp"
#include "plugin/corosync/ring_id.hpp"

namespace diskhb::corosync {

class quorum {
  public:
    struct handlers {
        // Now, once, after track(); then whenever it changes.
        std::function<void(bool is_quorate, const ring_id&,
                           std::span<const std::uint32_t> node_ids)>
            on_quorum;
        // Corosync has gone. Calls fail from now on.
        std::function<void(const error_code&)> on_lost;
    };

    // All handlers must be set.
    quorum(boost::asio::io_context& context, handlers call);
    ~quorum() { close(); }
    quorum(const quorum&) = delete;
    quorum& operator=(const quorum&) = delete;

    // CS_ERR_TRY_AGAIN: Corosync does not run, or has not formed its first membership yet.
    error_code connect();
    // Begins to call the handlers.
    error_code track();
    void close();

  private:
    handlers handlers_;
    std::optional<quorum_handle_t> handle_;
    dispatcher dispatcher_;
};

}  // namespace diskhb::corosync
