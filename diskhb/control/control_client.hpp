// SPDX-License-Identifier: BSD-3-Clause
// Asks a running daemon over its control socket: one line of JSON each way (diskhbd(8),
// diskhb-quorumd(8), "CONTROL SOCKET"). One thread at a time.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "diskhb/copy.hpp"

namespace diskhb {

class control_client {
  public:
    // Throws setup_error: exit_no_daemon if nobody listens there, exit_permission.
    // `daemon` is its name in messages.
    explicit control_client(const std::string& path, std::string daemon = "diskhbd");
    ~control_client();
    control_client(const control_client&) = delete;
    control_client& operator=(const control_client&) = delete;

    // The reply, with "ok" true or false. Throws setup_error(exit_no_daemon) if none comes in
    // time or it is no JSON object.
    nlohmann::ordered_json ask(const nlohmann::ordered_json& request,
                               std::chrono::milliseconds timeout);
    // The same; a reply that is not ok becomes a setup_error with its text and exit code.
    nlohmann::ordered_json demand(const nlohmann::ordered_json& request,
                                  std::chrono::milliseconds timeout);

  private:
    void send_line(const std::string& line);
    std::string receive_line(std::chrono::steady_clock::time_point end);
    [[noreturn]] void fail(const std::string& reason) const;

    std::string path_;
    std::string daemon_;
    int socket_ = -1;
    std::string received_;
};

}  // namespace diskhb
