// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/votequorum.hpp"

#include <utility>

namespace diskhb::corosync {
namespace {

const error_code not_connected = to_error(CS_ERR_BAD_HANDLE);

// The library gives back to its callbacks what context_set was given.
const votequorum::handlers* handlers_of(votequorum_handle_t handle) noexcept {
    void* context = nullptr;
    return ::votequorum_context_get(handle, &context) == CS_OK
               ? static_cast<const votequorum::handlers*>(context)
               : nullptr;
}

void on_nodelist(votequorum_handle_t handle, std::uint64_t, votequorum_ring_id_t ring,
                 std::uint32_t count, std::uint32_t* node_ids) noexcept {
    const votequorum::handlers* const to = handlers_of(handle);
    if (to != nullptr && to->on_nodelist) {
        to->on_nodelist({ring.nodeid, ring.seq}, {node_ids, count});
    }
}

void on_quorum(votequorum_handle_t handle, std::uint64_t, std::uint32_t is_quorate, std::uint32_t,
               votequorum_node_t*) noexcept {
    const votequorum::handlers* const to = handlers_of(handle);
    if (to != nullptr && to->on_quorum) {
        to->on_quorum(is_quorate != 0);
    }
}

}  // namespace

votequorum::votequorum(boost::asio::io_context& context, handlers call)
    : handlers_(std::move(call)), dispatcher_(context) {}

error_code votequorum::connect() {
    close();
    votequorum_callbacks_t callbacks{};
    callbacks.votequorum_nodelist_notify_fn = on_nodelist;
    callbacks.votequorum_quorum_notify_fn = on_quorum;
    votequorum_handle_t handle = 0;
    if (const cs_error_t error = ::votequorum_initialize(&handle, &callbacks); error != CS_OK) {
        return to_error(error);
    }
    handle_ = handle;
    return to_error(::votequorum_context_set(handle, &handlers_));
}

error_code votequorum::track() {
    if (!handle_) {
        return not_connected;
    }
    int descriptor = -1;
    if (const cs_error_t error = ::votequorum_fd_get(*handle_, &descriptor); error != CS_OK) {
        return to_error(error);
    }
    const error_code error = dispatcher_.watch(
        descriptor,
        [handle = *handle_] { return to_error(::votequorum_dispatch(handle, CS_DISPATCH_ALL)); },
        [this](const error_code& lost) {
            if (handlers_.on_lost) {
                handlers_.on_lost(lost);
            }
        });
    return error ? error : to_error(::votequorum_trackstart(*handle_, 0, CS_TRACK_CHANGES));
}

void votequorum::close() {
    dispatcher_.release();
    if (handle_) {
        ::votequorum_finalize(*std::exchange(handle_, std::nullopt));
    }
}

result<votequorum_info> votequorum::info() {
    if (!handle_) {
        return not_connected;
    }
    votequorum_info info{};
    // 0 is VOTEQUORUM_QDEVICE_NODEID, which here means: this node.
    if (const cs_error_t error = ::votequorum_getinfo(*handle_, VOTEQUORUM_QDEVICE_NODEID, &info);
        error != CS_OK) {
        return to_error(error);
    }
    return info;
}

error_code votequorum::register_device(const std::string& name) {
    return handle_ ? to_error(::votequorum_qdevice_register(*handle_, name.c_str()))
                   : not_connected;
}

error_code votequorum::poll_device(const std::string& name, bool cast_vote, const ring_id& ring) {
    if (!handle_) {
        return not_connected;
    }
    votequorum_ring_id_t id{};
    id.nodeid = ring.node_id;
    id.seq = ring.sequence;
    return to_error(::votequorum_qdevice_poll(*handle_, name.c_str(), cast_vote ? 1 : 0, id));
}

error_code votequorum::unregister_device(const std::string& name) {
    return handle_ ? to_error(::votequorum_qdevice_unregister(*handle_, name.c_str()))
                   : not_connected;
}

}  // namespace diskhb::corosync
