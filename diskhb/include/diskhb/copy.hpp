// SPDX-License-Identifier: BSD-3-Clause
// Has what a node wrote to its send volume copied to the other site at once, as `diskhb copy now`
// does, instead of when it is due. Asks the diskhbd of this host over its control socket; whether
// that runs a copy command, wakes diskhb-copyd, or asks the other node is its configuration's
// matter (diskhb.toml(5), copy).
//
//   diskhb::copy_request request;
//   request.wait = true;
//   diskhb::copy_now(request);      // what was written before is at the other site now
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace diskhb {

inline constexpr const char* control_socket_default = "/run/diskhb/diskhbd.sock";

struct copy_request {
    std::string ring;             // its interface; empty: all that diskhb or a command copies
    std::uint32_t from_node = 0;  // what that node wrote; 0: what this one wrote
    // Until it is copied; with from_node, until something new of that node was read here.
    bool wait = false;
    std::chrono::milliseconds timeout{10000};  // 1 ms .. 600 s
    std::string socket_path = control_socket_default;
};

struct copy_outcome {
    bool was_copied = false;  // false if it was not waited for
    std::chrono::nanoseconds took{0};
};

// Any thread; waits for the daemon's answer. Throws setup_error with an exit code of diskhb(8):
// exit_no_daemon if no diskhbd answers, exit_usage for a ring or node that there is not, and
// exit_failed if nothing can be copied, or not in time.
copy_outcome copy_now(const copy_request& request);

}  // namespace diskhb
