// SPDX-License-Identifier: BSD-3-Clause
// A program started without a shell, and killed with all it has started when its time is over.
// Never blocks the loop: its end comes as an event of its pidfd (pidfd_open(2)). Runs on the thread
// of its io_context.
#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace diskhb::daemon {

// From its start until it was waited for, however long it takes to die: it keeps itself alive by
// its pending operations, and reports only to somebody who still wants to know.
class child_process : public std::enable_shared_from_this<child_process> {
  public:
    struct outcome {
        int exit_code = 0;      // when signal is 0
        int signal = 0;         // that ended it
        std::string last_line;  // of its stderr, at most line_bytes_max
    };
    using listener = std::function<void(const outcome&)>;
    static constexpr std::size_t line_bytes_max = 400;

    explicit child_process(boost::asio::io_context& loop) : ended_(loop), errors_(loop) {}

    // Program and arguments; the program by its path. `environment`: NAME=VALUE beside our own.
    // stdin and stdout are /dev/null; neither scheduled in real time nor spared by the OOM killer
    // as we may be. Empty, or why it could not be started: then no report.
    std::string start(const std::vector<std::string>& words,
                      const std::vector<std::string>& environment, listener on_end);
    // SIGKILL to its process group; its end is reported as any other.
    void kill() noexcept;
    // SIGKILL, and no report.
    void abandon() noexcept;

  private:
    void read_errors();
    void take_errors(std::size_t bytes);
    void drain_errors();
    void collect();

    boost::asio::posix::stream_descriptor ended_;   // its pidfd: readable when it has ended
    boost::asio::posix::stream_descriptor errors_;  // its stderr
    std::array<char, 512> buffer_{};
    std::string line_;       // that is not at its end yet
    std::string last_line_;  // that was not empty
    listener on_end_;
    pid_t pid_ = 0;
};

}  // namespace diskhb::daemon
