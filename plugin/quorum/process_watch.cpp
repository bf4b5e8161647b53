// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/process_watch.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace diskhb::quorum {

using boost::system::error_code;

bool process_watch::follow(const std::string& pid_file, const std::string& name) {
    error_code ignored;
    (void)ended_.close(ignored);
    pid_t pid = 0;
    std::ifstream(pid_file) >> pid;
    if (pid <= 0) {
        return false;
    }
    // The system call, since <sys/pidfd.h> of glibc 2.36 cannot be used from C++.
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
        return false;
    }
    ended_.assign(fd);
    // Looked at after it was opened: from here on the number is that process's.
    std::string found;
    std::ifstream file(fmt::format("/proc/{}/comm", pid));
    std::getline(file, found);
    if (found != name) {
        (void)ended_.close(ignored);
        return false;
    }
    return true;
}

void process_watch::when_ended(std::function<void()> call) {
    if (!ended_.is_open()) {
        return;
    }
    ended_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [call = std::move(call)](const error_code& error) {
                          if (!error) {
                              call();
                          }
                      });
}

}  // namespace diskhb::quorum
