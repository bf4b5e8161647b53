// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/heuristics.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace diskhb::quorum {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// What posix_spawn(3) is told; each setter allocates, and is undone here.
struct spawn_setup {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    spawn_setup() {
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
        // Nothing of ours: neither volumes nor sockets.
        posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        // A process group of its own, so that its children are killed with it.
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~spawn_setup() {
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
    }
    spawn_setup(const spawn_setup&) = delete;
    spawn_setup& operator=(const spawn_setup&) = delete;
};

std::string outcome_words(const siginfo_t& ended) {
    return ended.si_code == CLD_EXITED ? fmt::format("exit status {}", ended.si_status)
                                       : fmt::format("ended by signal {}", ended.si_status);
}

}  // namespace

// A child process from its start until it was waited for, however long it takes to die: it keeps
// itself alive by its pending operation, and reports only to a run that still wants to know.
class heuristics::child : public std::enable_shared_from_this<child> {
  public:
    child(asio::io_context& loop, const heuristic& command) : command_(command), ended_(loop) {}

    const std::string& name() const noexcept { return command_.name; }
    // Empty: exit status 0.
    const std::string& why() const noexcept { return why_; }

    // False, and why(), if it could not be started.
    bool start(std::function<void(const child&)> on_exit) {
        std::vector<char*> arguments;
        for (const std::string& word : command_.words) {
            arguments.push_back(const_cast<char*>(word.c_str()));
        }
        arguments.push_back(nullptr);
        const spawn_setup setup;
        const int error = posix_spawn(&pid_, arguments.front(), &setup.files, &setup.attributes,
                                      arguments.data(), environ);
        if (error != 0) {
            pid_ = 0;
            why_ = fmt::format("cannot be started: {}", std::strerror(error));
            return false;
        }
        // The system call, since <sys/pidfd.h> of glibc 2.36 cannot be used from C++.
        const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
        if (fd < 0) {
            why_ = fmt::format("cannot be watched: {}", std::strerror(errno));
            kill();
            (void)waitpid(pid_, nullptr, 0);
            return false;
        }
        on_exit_ = std::move(on_exit);
        ended_.assign(fd);
        ended_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const error_code&) { self->collect(); });
        return true;
    }

    // No report follows. The process is waited for all the same.
    void abandon() {
        on_exit_ = nullptr;
        kill();
    }

  private:
    void kill() noexcept {
        if (pid_ > 0) {
            (void)::kill(-pid_, SIGKILL);
        }
    }

    void collect() {
        // What it has left running ends with it. Before it is waited for: until then its number is
        // nobody else's.
        kill();
        siginfo_t info{};
        if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 ||
            info.si_code != CLD_EXITED || info.si_status != 0) {
            why_ = outcome_words(info);
        }
        pid_ = 0;
        if (on_exit_) {
            std::exchange(on_exit_, nullptr)(*this);
        }
    }

    const heuristic& command_;
    asio::posix::stream_descriptor ended_;  // its pidfd: readable when it has ended
    std::function<void(const child&)> on_exit_;
    pid_t pid_ = 0;
    std::string why_;
};

heuristics::heuristics(asio::io_context& loop, const heuristics_config& config, listener on_result)
    : loop_(loop),
      config_(config),
      on_result_(std::move(on_result)),
      timeout_(loop),
      interval_(loop) {}

heuristics::~heuristics() {
    for (const auto& each : children_) {
        each->abandon();
    }
}

void heuristics::start() {
    if (config_.mode != heuristics_config::when::off) {
        run(config_.timeout);
    }
}

void heuristics::ring_has_changed() {
    if (config_.mode != heuristics_config::when::off) {
        run(config_.sync_timeout);
    }
}

void heuristics::run(milliseconds timeout) {
    for (const auto& each : std::exchange(children_, {})) {
        each->abandon();
    }
    interval_.cancel();
    timeout_.expires_after(timeout);
    timeout_.async_wait([this, timeout](const error_code& error) {
        if (!error && !children_.empty()) {
            finish(false, fmt::format("{}: no answer within {} ms", children_.front()->name(),
                                      timeout.count()));
        }
    });
    for (const heuristic& command : config_.commands) {
        auto started = std::make_shared<child>(loop_, command);
        if (!started->start([this](const child& ended) { on_exit(ended); })) {
            finish(false, fmt::format("{}: {}", started->name(), started->why()));
            return;
        }
        children_.push_back(std::move(started));
    }
}

void heuristics::on_exit(const child& ended) {
    if (!ended.why().empty()) {
        finish(false, fmt::format("{}: {}", ended.name(), ended.why()));
        return;
    }
    std::erase_if(children_, [&](const auto& each) { return each.get() == &ended; });
    if (children_.empty()) {
        finish(true, {});
    }
}

void heuristics::finish(bool passed, const std::string& why) {
    for (const auto& each : std::exchange(children_, {})) {
        each->abandon();
    }
    timeout_.cancel();
    if (config_.mode == heuristics_config::when::on) {
        schedule();
    }
    on_result_(passed, why);
}

void heuristics::schedule() {
    interval_.expires_after(config_.interval);
    interval_.async_wait([this](const error_code& error) {
        if (!error) {
            run(config_.timeout);
        }
    });
}

}  // namespace diskhb::quorum
