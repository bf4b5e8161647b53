// SPDX-License-Identifier: BSD-3-Clause
// diskhb top: rings, nodes, rates and latencies, drawn anew again and again.
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "diskhb/error.hpp"
#include "tools/daemon_sockets.hpp"
#include "tools/daemon_status.hpp"
#include "tools/interrupt.hpp"
#include "tools/top.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds answer_timeout{2};

struct top_command {
    daemon_sockets sockets;
    double interval_s = 1;
    unsigned count = 0;
};

// The other screen of the terminal, and keys without the Enter key; both back at the end.
class screen {
  public:
    screen() : is_terminal_(isatty(STDOUT_FILENO) == 1) {
        has_keys_ = is_terminal_ && tcgetattr(STDIN_FILENO, &saved_) == 0;
        if (has_keys_) {
            termios raw = saved_;
            raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
            (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        if (is_terminal_) {
            fmt::print("\x1b[?1049h\x1b[?25l");
        }
    }
    ~screen() {
        if (is_terminal_) {
            fmt::print("\x1b[?25h\x1b[?1049l");
            std::fflush(stdout);
        }
        if (has_keys_) {
            (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
        }
    }
    screen(const screen&) = delete;
    screen& operator=(const screen&) = delete;

    // To a pipe the pictures go one after the other.
    void draw(const std::string& picture) const {
        fmt::print("{}{}", is_terminal_ ? "\x1b[H\x1b[2J" : "", picture);
        std::fflush(stdout);
    }
    // True if the user wants to leave before the time is over.
    bool wait(std::chrono::milliseconds time) const {
        pollfd keys{STDIN_FILENO, POLLIN, 0};
        const int ready = poll(&keys, has_keys_ ? 1 : 0, static_cast<int>(time.count()));
        char key = 0;
        return interrupted || (ready == 1 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'));
    }

  private:
    bool is_terminal_;
    bool has_keys_ = false;
    termios saved_{};
};

int run_top(const top_command& command) {
    catch_signals({SIGINT, SIGTERM});
    const std::chrono::milliseconds interval(static_cast<int>(command.interval_s * 1000));
    top_input input;
    auto last = steady_clock::now();
    const screen shown;
    for (unsigned drawn = 0; !interrupted; ++drawn) {
        if (drawn != 0 && (drawn == command.count || shown.wait(interval))) {
            break;
        }
        input.before = std::move(input.now);
        auto answer = daemon_status_if_any(command.sockets.ring, "diskhbd", answer_timeout);
        input.now = std::move(answer.status);
        input.problem = std::move(answer.problem);
        input.quorum =
            daemon_status_if_any(command.sockets.quorum, "diskhb-quorumd", answer_timeout).status;
        const auto now = steady_clock::now();
        input.seconds = std::chrono::duration<double>(now - last).count();
        last = now;
        shown.draw(top_picture(input));
    }
    return input.now.is_null() ? exit_no_daemon : exit_ok;
}

}  // namespace

verb add_top(CLI::App& app) {
    auto options = std::make_shared<top_command>();
    CLI::App* const command =
        app.add_subcommand("top", "Show rings, nodes, rates and latencies, live; q ends it");
    add_socket_options(*command, options->sockets);
    command->add_option("-i,--interval", options->interval_s, "seconds between two pictures")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    command->add_option("-c,--count", options->count, "end after so many pictures; default: never");
    return {command, [options] { return run_top(*options); }};
}

}  // namespace diskhb::tools
