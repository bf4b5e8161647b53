// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/quorum.hpp"

#include <utility>

namespace diskhb::corosync {
namespace {

void on_quorum(quorum_handle_t handle, std::uint32_t is_quorate, quorum_ring_id ring,
               std::uint32_t count, const std::uint32_t* node_ids) noexcept {
    const void* context = nullptr;
    if (::quorum_context_get(handle, &context) == CS_OK && context != nullptr) {
        static_cast<const quorum::handlers*>(context)->on_quorum(
            is_quorate != 0, {ring.nodeid, ring.seq}, {node_ids, count});
    }
}

}  // namespace

quorum::quorum(boost::asio::io_context& context, handlers call)
    : handlers_(std::move(call)), dispatcher_(context) {}

error_code quorum::connect() {
    close();
    quorum_model_v1_data_t model{};
    model.model = QUORUM_MODEL_V1;
    model.quorum_notify_fn = on_quorum;
    quorum_handle_t handle = 0;
    std::uint32_t type = 0;
    // The library takes the model's data by the address of its first member.
    if (const cs_error_t error = ::quorum_model_initialize(
            &handle, model.model, reinterpret_cast<quorum_model_data_t*>(&model), &type,
            &handlers_);
        error != CS_OK) {
        return to_error(error);
    }
    handle_ = handle;
    return {};
}

error_code quorum::track() {
    if (!handle_) {
        return to_error(CS_ERR_BAD_HANDLE);
    }
    int descriptor = -1;
    if (const cs_error_t error = ::quorum_fd_get(*handle_, &descriptor); error != CS_OK) {
        return to_error(error);
    }
    const error_code error = dispatcher_.watch(
        descriptor,
        [handle = *handle_] { return to_error(::quorum_dispatch(handle, CS_DISPATCH_ALL)); },
        [this](const error_code& lost) { handlers_.on_lost(lost); });
    return error ? error
                 : to_error(::quorum_trackstart(*handle_, CS_TRACK_CURRENT | CS_TRACK_CHANGES));
}

void quorum::close() {
    dispatcher_.release();
    if (handle_) {
        ::quorum_finalize(*std::exchange(handle_, std::nullopt));
    }
}

}  // namespace diskhb::corosync
