// SPDX-License-Identifier: BSD-3-Clause
// What the daemon asks of the operating system for itself: locked memory, a place in the
// scheduler, journal or stderr, and the conversation with systemd (sd_notify(3)). Called from main
// and the main loop, before any other thread starts where it says so.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace spdlog {
class logger;
}

namespace diskhb::daemon {

// To the journal when stderr is connected to it (JOURNAL_STREAM of systemd.exec(5)), else to
// stderr. `program`: under which name.
std::shared_ptr<spdlog::logger> make_logger(const std::string& program);

// Before any other thread starts: small stacks, then all memory of now and later locked, so that
// a host that swaps does not stop the daemon. Not when RLIMIT_MEMLOCK stands against it: then later
// allocations would fail. Warns and goes on.
void lock_memory(spdlog::logger& log);

// The last process that the kernel kills for want of memory. Warns and goes on.
void avoid_oom_killer(spdlog::logger& log);

// Before any other thread starts: SCHED_RR below Corosync, which runs at the highest priority.
inline constexpr int realtime_priority = 50;
void become_realtime(spdlog::logger& log);

// All do nothing without systemd.
void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_stopping();
void notify_watchdog();
// How often to call notify_watchdog: half of what systemd waits. Nothing if it does not.
std::optional<std::chrono::microseconds> watchdog_interval();

// Ends the process, whatever its threads do, if it lasts longer than this from now.
void end_at_the_latest(std::chrono::milliseconds after, int exit_code = 0);

}  // namespace diskhb::daemon
