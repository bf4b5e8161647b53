// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/cmap.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

namespace diskhb::corosync {
namespace {

void on_change(cmap_handle_t, cmap_track_handle_t, std::int32_t, const char* key, cmap_notify_value,
               cmap_notify_value, void* user_data) noexcept {
    const auto* const to = static_cast<const cmap::handlers*>(user_data);
    if (to->on_change) {
        to->on_change(key);
    }
}

template <class T>
result<std::uint64_t> get_as(cmap_handle_t handle, const char* key,
                             cs_error_t (*get)(cmap_handle_t, const char*, T*)) {
    T value = 0;
    if (const cs_error_t error = get(handle, key, &value); error != CS_OK) {
        return to_error(error);
    }
    return value;
}

}  // namespace

cmap::cmap(boost::asio::io_context& context, handlers call)
    : handlers_(std::move(call)), dispatcher_(context) {}

error_code cmap::connect() {
    close();
    cmap_handle_t handle = 0;
    if (const cs_error_t error = ::cmap_initialize(&handle); error != CS_OK) {
        return to_error(error);
    }
    handle_ = handle;
    return {};
}

void cmap::close() {
    dispatcher_.release();
    if (handle_) {
        ::cmap_finalize(*std::exchange(handle_, std::nullopt));
    }
}

result<std::string> cmap::text(const std::string& key) {
    if (!handle_) {
        return to_error(CS_ERR_BAD_HANDLE);
    }
    char* value = nullptr;
    if (const cs_error_t error = ::cmap_get_string(*handle_, key.c_str(), &value); error != CS_OK) {
        return to_error(error);
    }
    const std::unique_ptr<char, decltype(&std::free)> owner(value, &std::free);
    return std::string(value);
}

result<std::uint64_t> cmap::number(const std::string& key) {
    if (!handle_) {
        return to_error(CS_ERR_BAD_HANDLE);
    }
    std::size_t bytes = 0;
    cmap_value_types_t type{};
    if (const cs_error_t error = ::cmap_get(*handle_, key.c_str(), nullptr, &bytes, &type);
        error != CS_OK) {
        return to_error(error);
    }
    switch (type) {
        case CMAP_VALUETYPE_UINT8:
            return get_as(*handle_, key.c_str(), &::cmap_get_uint8);
        case CMAP_VALUETYPE_UINT16:
            return get_as(*handle_, key.c_str(), &::cmap_get_uint16);
        case CMAP_VALUETYPE_UINT32:
            return get_as(*handle_, key.c_str(), &::cmap_get_uint32);
        case CMAP_VALUETYPE_UINT64:
            return get_as(*handle_, key.c_str(), &::cmap_get_uint64);
        default:
            return to_error(CS_ERR_INVALID_PARAM);
    }
}

result<std::vector<listed_node>> cmap::nodes() {
    if (!handle_) {
        return to_error(CS_ERR_BAD_HANDLE);
    }
    cmap_iter_handle_t iterator = 0;
    if (const cs_error_t error = ::cmap_iter_init(*handle_, "nodelist.node.", &iterator);
        error != CS_OK) {
        return to_error(error);
    }
    constexpr std::string_view id_suffix = ".nodeid";
    std::vector<listed_node> found;
    char key[CMAP_KEYNAME_MAXLEN + 1];
    std::size_t bytes = 0;
    cmap_value_types_t type{};
    while (::cmap_iter_next(*handle_, iterator, key, &bytes, &type) == CS_OK) {
        listed_node node;
        std::string path = key;
        if (path.ends_with(id_suffix) && ::cmap_get_uint32(*handle_, key, &node.node_id) == CS_OK) {
            path.resize(path.size() - id_suffix.size());
            if (auto name = text(path + ".name"); name) {
                node.name = std::move(*name);
            }
            found.push_back(std::move(node));
        }
    }
    (void)::cmap_iter_finalize(*handle_, iterator);
    return found;
}

error_code cmap::track(const std::string& prefix) {
    if (!handle_) {
        return to_error(CS_ERR_BAD_HANDLE);
    }
    int descriptor = -1;
    if (const cs_error_t error = ::cmap_fd_get(*handle_, &descriptor); error != CS_OK) {
        return to_error(error);
    }
    // With a second prefix it takes the place of the first watch.
    const error_code error = dispatcher_.watch(
        descriptor,
        [handle = *handle_] { return to_error(::cmap_dispatch(handle, CS_DISPATCH_ALL)); },
        [this](const error_code& lost) {
            if (handlers_.on_lost) {
                handlers_.on_lost(lost);
            }
        });
    if (error) {
        return error;
    }
    cmap_track_handle_t track = 0;
    return to_error(
        ::cmap_track_add(*handle_, prefix.c_str(),
                         CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX,
                         on_change, &handlers_, &track));
}

}  // namespace diskhb::corosync
