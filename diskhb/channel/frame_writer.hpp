// SPDX-License-Identifier: BSD-3-Clause
// Writes the frames of one connection to its socket, many with one call, and remembers where the
// socket stopped. Payloads are not copied, but for small ones. Frames are taken under the lock of
// the session and written with no lock, by one thread at a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "channel/session.hpp"

namespace diskhb::channels {

class frame_writer {
  public:
    // Takes frames from the session when all before them are written; false: there is nothing to
    // write.
    bool fill(session& from, path which);
    enum class outcome {
        written,
        blocked,  // the socket takes no more now
        failed,   // the connection is broken
    };
    // Writes what was taken. REQUIRES: a socket that does not block.
    outcome write(int socket) noexcept;

  private:
    void gather(session& from, path which);
    void append(const void* bytes, std::size_t size, std::shared_ptr<const std::byte[]> owner);

    std::vector<std::byte> copies_;  // headers and small payloads; never grows
    std::vector<iovec> pieces_;
    std::vector<std::shared_ptr<const std::byte[]>> owners_;
    std::size_t next_ = 0;  // of pieces_
};

}  // namespace diskhb::channels
