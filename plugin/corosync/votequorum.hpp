// SPDX-License-Identifier: BSD-3-Clause
// A connection to Corosync's votequorum (votequorum_overview(3)): the quorum device of this node,
// and what votequorum counts. No call has a timeout: each waits for a Corosync that stands still.
// One thread, that of the io_context, which also runs the handlers.
#pragma once

#include <corosync/votequorum.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "plugin/corosync/dispatcher.hpp"
#include "plugin/corosync/ring_id.hpp"

namespace diskhb::corosync {

class votequorum {
  public:
    struct handlers {
        // A membership begins, at the start of the sync phase; and the present one, once, after
        // track().
        std::function<void(const ring_id&, std::span<const std::uint32_t> node_ids)> on_nodelist;
        // The votes were counted: at the end of the sync phase, and whenever they change.
        std::function<void(bool is_quorate)> on_quorum;
        // Corosync has gone. Calls fail from now on.
        std::function<void(const error_code&)> on_lost;
    };

    // Handlers that are not set are not called.
    votequorum(boost::asio::io_context& context, handlers call);
    ~votequorum() { close(); }
    votequorum(const votequorum&) = delete;
    votequorum& operator=(const votequorum&) = delete;

    // CS_ERR_TRY_AGAIN: Corosync does not run, or has not formed its first membership yet.
    error_code connect();
    // Begins to call the handlers.
    error_code track();
    void close();

    // What this node's votequorum has counted.
    result<votequorum_info> info();

    // Waits for a message to go around the ring. CS_ERR_EXIST: the cluster has a device of another
    // name; CS_ERR_ACCESS: corosync.conf has none that Corosync accepts.
    error_code register_device(const std::string& name);
    // CS_ERR_MESSAGE_ERROR: the ring is not the present one, nothing has changed; CS_ERR_NOT_EXIST:
    // not registered.
    error_code poll_device(const std::string& name, bool cast_vote, const ring_id& ring);
    error_code unregister_device(const std::string& name);

  private:
    handlers handlers_;
    std::optional<votequorum_handle_t> handle_;
    dispatcher dispatcher_;
};

}  // namespace diskhb::corosync
