// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/daemon/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace diskhb::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// What posix_spawn(3) is told; each setter allocates, and is undone here.
struct spawn_setup {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    explicit spawn_setup(int stderr_fd) {
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&files, stderr_fd, STDERR_FILENO);
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
        // Our own real-time scheduling is not for programs that we know nothing of.
        const sched_param ordinary{0};
        posix_spawnattr_setschedpolicy(&attributes, SCHED_OTHER);
        posix_spawnattr_setschedparam(&attributes, &ordinary);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSCHEDULER);
    }
    ~spawn_setup() {
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
    }
    spawn_setup(const spawn_setup&) = delete;
    spawn_setup& operator=(const spawn_setup&) = delete;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    for (const std::string& word : words) {
        all.push_back(const_cast<char*>(word.c_str()));
    }
    all.push_back(nullptr);
    return all;
}

// It inherits that the OOM killer spares us (proc(5)); it may take the program.
void expose_to_oom_killer(pid_t pid) {
    std::ofstream(fmt::format("/proc/{}/oom_score_adj", pid)) << "0" << std::flush;
}

// Ours, without what is given anew.
std::vector<std::string> environment_with(const std::vector<std::string>& added) {
    std::vector<std::string> all = added;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string_view entry(*each);
        const auto name = entry.substr(0, entry.find('=') + 1);
        const bool is_replaced = std::any_of(added.begin(), added.end(), [&](const auto& one) {
            return one.compare(0, name.size(), name) == 0;
        });
        if (!is_replaced) {
            all.emplace_back(entry);
        }
    }
    return all;
}

}  // namespace

std::string child_process::start(const std::vector<std::string>& words,
                                 const std::vector<std::string>& environment, listener on_end) {
    std::array<int, 2> pipe_fds{-1, -1};
    if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
        return std::strerror(errno);
    }
    const auto full_environment = environment_with(environment);
    const auto argument_pointers = pointers(words);
    const auto environment_pointers = pointers(full_environment);
    int error = 0;
    {
        const spawn_setup setup(pipe_fds[1]);
        error = posix_spawn(&pid_, words.front().c_str(), &setup.files, &setup.attributes,
                            argument_pointers.data(), environment_pointers.data());
    }
    close(pipe_fds[1]);
    if (error != 0) {
        pid_ = 0;
        close(pipe_fds[0]);
        return std::strerror(error);
    }
    expose_to_oom_killer(pid_);
    // The system call, since <sys/pidfd.h> of glibc 2.36 cannot be used from C++.
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (fd < 0) {
        const std::string why = std::strerror(errno);
        close(pipe_fds[0]);
        kill();
        (void)waitpid(std::exchange(pid_, 0), nullptr, 0);
        return why;
    }
    on_end_ = std::move(on_end);
    errors_.assign(pipe_fds[0]);
    errors_.non_blocking(true);
    read_errors();
    ended_.assign(fd);
    ended_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const error_code&) { self->collect(); });
    return {};
}

void child_process::kill() noexcept {
    if (pid_ > 0) {
        (void)::kill(-pid_, SIGKILL);
    }
}

void child_process::abandon() noexcept {
    on_end_ = nullptr;
    kill();
}

void child_process::read_errors() {
    errors_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](
                                                       const error_code& error, std::size_t bytes) {
        if (!error) {
            self->take_errors(bytes);
            self->read_errors();
        }
    });
}

void child_process::take_errors(std::size_t bytes) {
    for (const char each : std::string_view(buffer_.data(), bytes)) {
        if (each == '\n' || each == '\r') {
            if (!line_.empty()) {
                last_line_ = std::exchange(line_, {});
            }
        } else if (line_.size() < line_bytes_max) {
            // It goes into logs and onto terminals.
            line_ += each >= ' ' && each <= '~' ? each : '?';
        }
    }
}

// What has come until now; never waits for more, which a child of the child may hold back.
void child_process::drain_errors() {
    error_code error;
    while (!error) {
        const std::size_t bytes = errors_.read_some(asio::buffer(buffer_), error);
        take_errors(bytes);
    }
    (void)errors_.close(error);
}

void child_process::collect() {
    // What it has left running ends with it. Before it is waited for: until then its number is
    // nobody else's.
    kill();
    drain_errors();
    siginfo_t info{};
    outcome how;
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) {
        how.exit_code = -1;
    } else if (info.si_code == CLD_EXITED) {
        how.exit_code = info.si_status;
    } else {
        how.signal = info.si_status;
    }
    pid_ = 0;
    how.last_line = line_.empty() ? last_line_ : line_;
    if (on_end_) {
        std::exchange(on_end_, nullptr)(how);
    }
}

}  // namespace diskhb::daemon
