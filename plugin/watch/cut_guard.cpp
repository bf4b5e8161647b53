// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/cut_guard.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "plugin/watch/network_cut.hpp"

namespace diskhb::watch {

namespace {

using steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds remove_again{200};
constexpr std::chrono::seconds nft_patience{3};
// Removes the table whether it is there or not.
constexpr const char* remove_script =
    "add table inet diskhb_drill\ndelete table inet diskhb_drill\n";

void write_all(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const auto count = write(fd, text.data() + done, text.size() - done);
        if (count <= 0 && errno != EINTR) {
            return;
        }
        done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
}

// What a child has written until it closed its end; nothing if it has not closed it in time.
std::optional<std::string> read_all(int fd, steady::time_point end) {
    std::string text;
    std::array<char, 512> buffer{};
    while (true) {
        pollfd wait{fd, POLLIN, 0};
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - steady::now());
        if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) == 0) {
            return std::nullopt;
        }
        const auto count = read(fd, buffer.data(), buffer.size());
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return text;
        }
        if (count > 0 && text.size() < buffer.size()) {
            text.append(buffer.data(), static_cast<std::size_t>(count));
        }
    }
}

// Empty, or what nft said. Kills it when it takes too long.
std::string run_nft(const std::string& script) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) {
        return std::strerror(errno);
    }
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out[1], STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const std::string program = nft_program();
    const char* const words[] = {"nft", "-f", "-", nullptr};
    pid_t pid = 0;
    const int error = posix_spawn(&pid, program.c_str(), &files, &attributes,
                                  const_cast<char* const*>(words), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(in[0]);
    close(out[1]);
    std::string said = error == 0 ? "" : fmt::format("{}: {}", program, std::strerror(error));
    if (error == 0) {
        write_all(in[1], script);
        close(std::exchange(in[1], -1));
        const auto text = read_all(out[0], steady::now() + nft_patience);
        if (!text) {
            (void)kill(pid, SIGKILL);
        }
        said = text.value_or("nft does not end");
        int status = 0;
        (void)waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            said.clear();
        } else if (said.empty()) {
            said = "nft has failed";
        }
    }
    if (in[1] >= 0) {
        close(in[1]);
    }
    close(out[0]);
    return said.substr(0, said.find('\n'));
}

// Until the other end of stdin is closed, a signal says to end, or the time is over.
void wait_for_the_end(int signals, steady::time_point end) {
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - steady::now()).count();
        std::array<pollfd, 2> waits{{{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}}};
        if (left <= 0) {
            return;
        }
        if (poll(waits.data(), waits.size(), static_cast<int>(left)) > 0) {
            return;
        }
    }
}

std::optional<unsigned> number(const std::string& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

// SIGKILL is left, and then the kernel ends the cut.
int block_signals() {
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t ends;
    sigemptyset(&ends);
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
        sigaddset(&ends, each);
    }
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    return signalfd(-1, &ends, SFD_CLOEXEC);
}

}  // namespace

std::string nft_program() {
    for (const char* const path : {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"}) {
        if (access(path, X_OK) == 0) {
            return path;
        }
    }
    return {};
}

std::string guard_process::start(const std::vector<std::string>& words) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0) {
        return std::strerror(errno);
    }
    if (pipe2(out.data(), O_CLOEXEC) != 0) {
        const int error = errno;
        close(in[0]);
        close(in[1]);
        return std::strerror(error);
    }
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // Neither Ctrl-C nor the end of the terminal is for it.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::vector<char*> arguments;
    for (const auto& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    const int error =
        posix_spawn(&pid, words.front().c_str(), &files, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(in[0]);
    close(out[1]);
    if (error != 0) {
        close(in[1]);
        close(out[0]);
        return std::strerror(error);
    }
    stdin_fd = in[1];
    stdout_fd = out[0];
    return {};
}

int cut_guard_main(const std::vector<std::string>& arguments) {
    const auto hold_ms = arguments.empty() ? std::nullopt : number(arguments[0]);
    if (!hold_ms || *hold_ms > hold_max.count() || arguments.size() % 3 != 1 ||
        arguments.size() < 4) {
        write_all(STDOUT_FILENO, "no path to cut\n");
        return exit_usage;
    }
    std::vector<knet_path> paths;
    for (std::size_t i = 1; i < arguments.size(); i += 3) {
        const auto port = number(arguments[i + 2]);
        paths.push_back(
            {arguments[i], arguments[i + 1], static_cast<std::uint16_t>(port.value_or(0))});
    }
    const int signals = block_signals();
    const std::chrono::milliseconds hold(*hold_ms);
    const auto began = steady::now();
    const auto end = began + hold;
    if (const auto problem = run_nft(cut_script(paths, hold)); !problem.empty()) {
        // One that was killed for its slowness may have done its work.
        (void)run_nft(remove_script);
        write_all(STDOUT_FILENO, problem + "\n");
        return exit_failed;
    }
    write_all(STDOUT_FILENO,
              fmt::format("cut {}\n", std::chrono::nanoseconds(began.time_since_epoch()).count()));
    wait_for_the_end(signals, end);
    // The kernel has dropped the addresses by `end`, whatever nft says.
    while (!run_nft(remove_script).empty() && steady::now() < end + nft_patience) {
        poll(nullptr, 0, static_cast<int>(remove_again.count()));
    }
    write_all(STDOUT_FILENO, "back\n");
    return exit_ok;
}

}  // namespace diskhb::watch
