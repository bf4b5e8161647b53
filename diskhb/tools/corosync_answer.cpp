// SPDX-License-Identifier: BSD-3-Clause
#include "tools/corosync_answer.hpp"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>

namespace diskhb::tools {

namespace {

// Corosync's libraries wait for ever; an agent must not.
constexpr std::chrono::seconds corosync_timeout{5};

}  // namespace

corosync::link_report ask_corosync() {
    // Shared with the thread, which is left behind when Corosync hangs.
    auto promise = std::make_shared<std::promise<result<corosync::link_report>>>();
    auto answer = promise->get_future();
    std::thread([promise] { promise->set_value(corosync::read_link_states()); }).detach();
    if (answer.wait_for(corosync_timeout) != std::future_status::ready) {
        throw setup_error(exit_no_daemon, fmt::format("Corosync has not answered for {} s",
                                                      corosync_timeout.count()));
    }
    const auto report = answer.get();
    if (!report) {
        const auto error = report.error();
        const bool is_forbidden = error == corosync::to_error(CS_ERR_ACCESS) ||
                                  error == corosync::to_error(CS_ERR_SECURITY);
        throw setup_error(
            is_forbidden ? exit_permission : exit_no_daemon,
            fmt::format("Corosync: {}; {}", error.message(),
                        is_forbidden ? "run as root, or as whom /etc/corosync/uidgid.d names"
                                     : "does it run?"));
    }
    return *report;
}

}  // namespace diskhb::tools
