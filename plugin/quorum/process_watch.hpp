// SPDX-License-Identifier: BSD-3-Clause
// Whether another process has ended, for certain: a connection that breaks is no proof of it. By a
// pidfd (pidfd_open(2)), so a number that is used again cannot deceive. Runs on the thread of its
// io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>

namespace diskhb::quorum {

inline constexpr const char* corosync_pid_file = "/run/corosync.pid";  // exec/main.c of Corosync

class process_watch {
  public:
    explicit process_watch(boost::asio::io_context& loop) : ended_(loop) {}

    // The process whose number stands in that file, if it bears that name. Returns whether it is
    // watched now. One that was watched before is not any more.
    bool follow(const std::string& pid_file, const std::string& name);
    // Calls once the process has ended; never if none is watched.
    void when_ended(std::function<void()> call);

  private:
    boost::asio::posix::stream_descriptor ended_;  // readable when it has ended
};

}  // namespace diskhb::quorum
