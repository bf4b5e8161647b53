// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/cpg.hpp"

#include <sys/uio.h>

#include <utility>
#include <vector>

namespace diskhb::corosync {
namespace {

const error_code not_connected = to_error(CS_ERR_BAD_HANDLE);

// The library gives back to its callbacks what it was given with the model.
const cpg::handlers* handlers_of(cpg_handle_t handle) noexcept {
    void* context = nullptr;
    return ::cpg_context_get(handle, &context) == CS_OK ? static_cast<const cpg::handlers*>(context)
                                                        : nullptr;
}

void on_message(cpg_handle_t handle, const cpg_name*, std::uint32_t node_id, std::uint32_t pid,
                void* message, std::size_t bytes) noexcept {
    if (const auto* const to = handlers_of(handle); to != nullptr) {
        to->on_message({node_id, pid}, {static_cast<const std::byte*>(message), bytes});
    }
}

void on_members(cpg_handle_t handle, const cpg_name*, const cpg_address* list, std::size_t count,
                const cpg_address*, std::size_t, const cpg_address*, std::size_t) noexcept {
    if (const auto* const to = handlers_of(handle); to != nullptr) {
        std::vector<group_member> members;
        for (const cpg_address& each : std::span(list, count)) {
            members.push_back({each.nodeid, each.pid});
        }
        to->on_members(members);
    }
}

}  // namespace

cpg::cpg(boost::asio::io_context& context, handlers call)
    : handlers_(std::move(call)), dispatcher_(context) {}

error_code cpg::connect() {
    close();
    cpg_model_v1_data_t model{};
    model.model = CPG_MODEL_V1;
    model.cpg_deliver_fn = on_message;
    model.cpg_confchg_fn = on_members;
    cpg_handle_t handle = 0;
    // The library takes the model's data by the address of its first member.
    if (const cs_error_t error = ::cpg_model_initialize(
            &handle, CPG_MODEL_V1, reinterpret_cast<cpg_model_data_t*>(&model), &handlers_);
        error != CS_OK) {
        return to_error(error);
    }
    handle_ = handle;
    return {};
}

error_code cpg::join(const std::string& group) {
    if (!handle_) {
        return not_connected;
    }
    int descriptor = -1;
    if (const cs_error_t error = ::cpg_fd_get(*handle_, &descriptor); error != CS_OK) {
        return to_error(error);
    }
    cpg_name name{};
    name.length = static_cast<std::uint32_t>(group.copy(name.value, CPG_MAX_NAME_LENGTH - 1));
    if (const cs_error_t error = ::cpg_join(*handle_, &name); error != CS_OK) {
        return to_error(error);
    }
    return dispatcher_.watch(
        descriptor,
        [handle = *handle_] { return to_error(::cpg_dispatch(handle, CS_DISPATCH_ALL)); },
        [this](const error_code& lost) { handlers_.on_lost(lost); });
}

void cpg::close() {
    dispatcher_.release();
    if (handle_) {
        ::cpg_finalize(*std::exchange(handle_, std::nullopt));
    }
}

error_code cpg::send(std::span<const std::byte> message) {
    if (!handle_) {
        return not_connected;
    }
    // The library only reads.
    const iovec part{const_cast<std::byte*>(message.data()), message.size()};
    return to_error(::cpg_mcast_joined(*handle_, CPG_TYPE_AGREED, &part, 1));
}

}  // namespace diskhb::corosync
