// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/process.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace diskhb::daemon {

namespace {

// Locked memory includes the whole of each stack; the default of 8 MiB is far more than needed.
constexpr std::size_t stack_bytes = 512 * 1024;

volatile sig_atomic_t late_exit_code = 0;

bool is_journal(int fd) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat found {};
    return stream != nullptr && fstat(fd, &found) == 0 &&
           fmt::format("{}:{}", found.st_dev, found.st_ino) == stream;
}

void use_small_stacks() {
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // they need more
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0) {
        if (pthread_attr_setstacksize(&attributes, stack_bytes) == 0) {
            (void)pthread_setattr_default_np(&attributes);
        }
        (void)pthread_attr_destroy(&attributes);
    }
#endif
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(const std::string& program) {
    std::shared_ptr<spdlog::logger> logger;
    if (is_journal(STDERR_FILENO)) {
        auto sink = std::make_shared<spdlog::sinks::systemd_sink_mt>(program);
        logger = std::make_shared<spdlog::logger>(program, sink);
        logger->set_pattern("%v");
    } else {
        auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        logger = std::make_shared<spdlog::logger>(program, sink);
        logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    }
    logger->flush_on(spdlog::level::trace);
    return logger;
}

void lock_memory(spdlog::logger& log) {
    use_small_stacks();
    rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &unlimited) != 0) {
        rlimit limit{};
        (void)getrlimit(RLIMIT_MEMLOCK, &limit);
        if (limit.rlim_cur != RLIM_INFINITY) {
            log.warn(
                "memory is not locked: RLIMIT_MEMLOCK is {} B and may not be raised; on a "
                "host that swaps this daemon may stall",
                limit.rlim_cur);
            return;
        }
    }
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        log.warn("memory is not locked: {}; on a host that swaps this daemon may stall",
                 std::strerror(errno));
    }
}

void avoid_oom_killer(spdlog::logger& log) {
    std::ofstream file("/proc/self/oom_score_adj");
    file << "-1000" << std::flush;
    if (!file) {
        log.warn("the OOM killer may take this daemon: cannot set oom_score_adj to -1000");
    }
}

void become_realtime(spdlog::logger& log) {
    sched_param parameters{};
    parameters.sched_priority = realtime_priority;
    if (sched_setscheduler(0, SCHED_RR, &parameters) != 0) {
        log.warn("not scheduled in real time: {}", std::strerror(errno));
    }
}

void notify_ready(const std::string& status) {
    (void)sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}
void notify_status(const std::string& status) { (void)sd_notify(0, ("STATUS=" + status).c_str()); }
void notify_stopping() { (void)sd_notify(0, "STOPPING=1"); }
void notify_watchdog() { (void)sd_notify(0, "WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdog_interval() {
    std::uint64_t timeout_us = 0;
    if (sd_watchdog_enabled(0, &timeout_us) <= 0 || timeout_us < 2) {
        return std::nullopt;
    }
    return std::chrono::microseconds(timeout_us / 2);
}

void end_at_the_latest(std::chrono::milliseconds after, int exit_code) {
    late_exit_code = exit_code;
    struct sigaction action {};
    action.sa_handler = [](int) { _exit(late_exit_code); };
    (void)sigaction(SIGALRM, &action, nullptr);
    const auto us = std::chrono::microseconds(after).count();
    const itimerval timer{{0, 0}, {us / 1000000, us % 1000000}};
    (void)setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace diskhb::daemon
