// SPDX-License-Identifier: BSD-3-Clause
// What a running daemon says of itself, by its control socket. One thread at a time.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

inline constexpr std::chrono::seconds status_timeout{5};

// The reply to "status" of the daemon with this name, for messages. Throws setup_error as
// control_client does.
nlohmann::ordered_json daemon_status(const std::string& socket, const std::string& daemon,
                                     std::chrono::milliseconds timeout = status_timeout);

// The same, where a daemon that does not answer is a state like any other. Throws setup_error only
// if the caller may not ask (exit_permission).
struct daemon_answer {
    nlohmann::ordered_json status;  // null without an answer
    std::string problem;            // then why, in one line
};
daemon_answer daemon_status_if_any(const std::string& socket, const std::string& daemon,
                                   std::chrono::milliseconds timeout = status_timeout);

}  // namespace diskhb::tools
