// SPDX-License-Identifier: BSD-3-Clause
#include "tools/daemon_status.hpp"

#include "control/control_client.hpp"
#include "diskhb/error.hpp"

namespace diskhb::tools {

nlohmann::ordered_json daemon_status(const std::string& socket, const std::string& daemon,
                                     std::chrono::milliseconds timeout) {
    control_client client(socket, daemon);
    return client.demand({{"verb", "status"}}, timeout);
}

daemon_answer daemon_status_if_any(const std::string& socket, const std::string& daemon,
                                   std::chrono::milliseconds timeout) {
    try {
        return {daemon_status(socket, daemon, timeout), {}};
    } catch (const setup_error& problem) {
        if (problem.exit_code() == exit_permission) {
            throw;
        }
        return {nullptr, problem.what()};
    }
}

}  // namespace diskhb::tools
