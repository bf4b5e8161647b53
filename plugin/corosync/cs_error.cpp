// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/cs_error.hpp"

#include <fmt/format.h>

#include <string>

namespace diskhb::corosync {
namespace {

const char* sentence_of(int value) noexcept {
    switch (value) {
        case CS_ERR_LIBRARY:
            return "the connection to Corosync is broken, or Corosync does not run";
        case CS_ERR_VERSION:
            return "Corosync and its library are of different versions";
        case CS_ERR_INIT:
            return "the service is not loaded in Corosync";
        case CS_ERR_TIMEOUT:
            return "Corosync did not answer in time";
        case CS_ERR_TRY_AGAIN:
            return "Corosync does not run or is not ready yet";
        case CS_ERR_INVALID_PARAM:
            return "Corosync refuses the name or the value";
        case CS_ERR_NO_MEMORY:
            return "Corosync has no memory left";
        case CS_ERR_BAD_HANDLE:
            return "there is no connection to Corosync";
        case CS_ERR_BUSY:
            return "Corosync is busy";
        case CS_ERR_ACCESS:
            return "Corosync does not allow that";
        case CS_ERR_NOT_EXIST:
            return "Corosync does not know it";
        case CS_ERR_NAME_TOO_LONG:
            return "the name is too long for Corosync";
        case CS_ERR_EXIST:
            return "Corosync has another one already";
        case CS_ERR_NO_SPACE:
            return "there is no room for the connection to Corosync (/dev/shm)";
        case CS_ERR_INTERRUPT:
            return "a signal interrupted the call";
        case CS_ERR_NO_RESOURCES:
            return "Corosync has no file descriptors or queues left";
        case CS_ERR_MESSAGE_ERROR:
            return "Corosync refuses the message: it is for a former ring";
        case CS_ERR_SECURITY:
            return "only root may do that, or whom Corosync's uidgid.d names";
        default:
            return "Corosync reports an error";
    }
}

class category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "corosync"; }
    std::string message(int value) const override {
        return fmt::format("{} ({})", sentence_of(value),
                           ::cs_strerror(static_cast<cs_error_t>(value)));
    }
};

}  // namespace

const boost::system::error_category& cs_category() noexcept {
    static const category instance;
    return instance;
}

}  // namespace diskhb::corosync
