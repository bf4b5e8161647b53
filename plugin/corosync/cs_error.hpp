// SPDX-License-Identifier: BSD-3-Clause
// The errors of Corosync's libraries (corosync/corotypes.h) as error codes. Any thread.
#pragma once

#include <corosync/corotypes.h>

#include "diskhb/error.hpp"

namespace diskhb::corosync {

using boost::system::error_code;

// One plain sentence for each cs_error_t, with its name.
const boost::system::error_category& cs_category() noexcept;

// CS_OK is success, which an error code has as 0.
inline error_code to_error(cs_error_t value) noexcept {
    return value == CS_OK ? error_code{} : error_code{static_cast<int>(value), cs_category()};
}

}  // namespace diskhb::corosync
