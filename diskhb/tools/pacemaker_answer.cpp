// SPDX-License-Identifier: BSD-3-Clause
#include "tools/pacemaker_answer.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/reply_text.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {

namespace {

using json = nlohmann::ordered_json;
using std::chrono::steady_clock;
constexpr std::size_t answer_bytes_max = std::size_t{1} << 20;

json failed(const std::string& error) { return {{"error", error}}; }

// The helper, started with its stdout in our pipe; killed and waited for at the end of its scope.
class helper_process {
  public:
    explicit helper_process(const std::string& path) {
        std::array<int, 2> pipe_ends{};
        if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) {
            error_ = errno;
            return;
        }
        output_ = pipe_ends[0];
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, pipe_ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        std::string program = path;
        const std::array<char*, 2> words = {program.data(), nullptr};
        error_ = posix_spawn(&pid_, path.c_str(), &files, nullptr, words.data(), environ);
        posix_spawn_file_actions_destroy(&files);
        (void)close(pipe_ends[1]);
    }
    helper_process(const helper_process&) = delete;
    helper_process& operator=(const helper_process&) = delete;
    ~helper_process() {
        if (output_ >= 0) {
            (void)close(output_);
        }
        if (error_ == 0) {
            (void)kill(pid_, SIGKILL);
            (void)waitpid(pid_, nullptr, 0);
        }
    }

    int error() const { return error_; }  // an errno, when it could not be started

    // All that it prints until it closes its stdout; false when the time is over before.
    bool read_all(std::string& text, steady_clock::time_point deadline) const {
        std::array<char, 4096> piece{};
        while (text.size() <= answer_bytes_max) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - steady_clock::now());
            pollfd wanted{output_, POLLIN, 0};
            const int ready =
                left.count() <= 0 ? 0 : poll(&wanted, 1, static_cast<int>(left.count()));
            if (ready == 0) {
                return false;
            }
            const auto count = ready < 0 ? -1 : read(output_, piece.data(), piece.size());
            if (count > 0) {
                text.append(piece.data(), static_cast<std::size_t>(count));
            } else if (count == 0 || errno != EINTR) {
                return true;
            }
        }
        return true;
    }

  private:
    pid_t pid_ = 0;
    int output_ = -1;
    int error_ = 0;
};

std::string seconds_ago(const json& object, const char* key) {
    return object.contains(key) && object[key].is_number()
               ? fmt::format(", all its daemons well {:.0f} s ago", number_of(object, key))
               : std::string();
}

std::string cib_text(const json& cib) {
    if (!flag_of(cib, "connected")) {
        return fmt::format("  CIB {}: {}\n", in_colour(colour::bad, "not connected"),
                           text_of(cib, "error"));
    }
    const auto dc = text_of(cib, "dc");
    auto text =
        fmt::format("  CIB connected, version {}, {}, {}\n", text_of(cib, "version"),
                    flag_of(cib, "quorate") ? "quorate" : in_colour(colour::bad, "NO QUORUM"),
                    dc.empty() ? in_colour(colour::bad, "no DC") : "DC " + dc);
    std::string nodes;
    for (const auto& node : list_of(cib, "nodes")) {
        const bool online = flag_of(node, "online");
        nodes += fmt::format("{}{} {}", nodes.empty() ? "" : ", ", text_of(node, "name"),
                             state_text(online                    ? "online"
                                        : flag_of(node, "member") ? "member, not online"
                                                                  : "OFFLINE",
                                        online, 0));
    }
    text += fmt::format("  nodes: {}\n", nodes.empty() ? "none" : nodes);
    const auto options = object_of(cib, "options");
    for (const auto& [name, value] : options.items()) {
        text += fmt::format("  {} = {}\n", printable(name),
                            value.is_string() ? printable(value.get<std::string>()) : "");
    }
    return text;
}

std::string fencing_text(const json& fencing) {
    if (!flag_of(fencing, "connected")) {
        return fmt::format("  fencer {}: {}\n", in_colour(colour::bad, "not connected"),
                           text_of(fencing, "error"));
    }
    const auto history = list_of(fencing, "history");
    if (history.empty()) {
        return "  nothing was fenced\n";
    }
    std::string text = "  fencing, the newest first:\n";
    for (const auto& each : history) {
        const auto at = static_cast<std::time_t>(number_of(each, "completed_at_s"));
        const auto reason = text_of(each, "reason");
        const auto by = text_of(each, "by");
        const auto state = text_of(each, "state");
        text += fmt::format(
            "    {}  {} of {}{}: {}{}, asked for by {} on {}\n",
            at == 0 ? std::string("not yet done      ")
                    : fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(at)),
            text_of(each, "action"), text_of(each, "target"), by.empty() ? "" : " by " + by,
            state_text(state, state == "completed", 0), reason.empty() ? "" : " (" + reason + ")",
            text_of(each, "client"), text_of(each, "origin"));
    }
    return text;
}

}  // namespace

json ask_pacemaker(const std::string& helper, std::chrono::milliseconds timeout) {
    const helper_process process(helper);
    if (process.error() == ENOENT) {
        return failed(helper + " is not there: install diskhb-resource-agents");
    }
    if (process.error() != 0) {
        return failed(fmt::format("{}: {}", helper, std::strerror(process.error())));
    }
    std::string text;
    if (!process.read_all(text, steady_clock::now() + timeout)) {
        return failed(
            fmt::format("Pacemaker gave no answer within {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(timeout).count()));
    }
    auto answer = json::parse(text, nullptr, false);
    if (!answer.is_object()) {
        return failed(helper + " gave no answer");
    }
    answer["error"] = "";
    return answer;
}

std::string pacemaker_text(const json& pacemaker) {
    if (const auto error = text_of(pacemaker, "error"); !error.empty()) {
        return fmt::format("\nPacemaker: {}\n", in_colour(colour::bad, error));
    }
    const auto daemon = object_of(pacemaker, "pacemakerd");
    const auto state = text_of(daemon, "state");
    auto text = fmt::format(
        "\n{} {}{}\n", in_colour(colour::bold, "Pacemaker"),
        state.empty() ? in_colour(colour::bad, "not running") + ": " + text_of(daemon, "error")
                      : state_text(state, state == "running", 0),
        seconds_ago(daemon, "last_good_ago_s"));
    // Without it the others only repeat that there is nobody.
    if (!state.empty()) {
        text +=
            cib_text(object_of(pacemaker, "cib")) + fencing_text(object_of(pacemaker, "fencing"));
    }
    return text;
}

}  // namespace diskhb::tools
