// SPDX-License-Identifier: BSD-3-Clause
#include "channel/frame_writer.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <span>

namespace diskhb::channels {
namespace {

constexpr std::size_t copies_bytes = 128 * 1024;
constexpr std::size_t copied_payload_bytes_max = 8 * 1024;
constexpr std::size_t pieces_max = 64;
constexpr std::size_t gathered_bytes_max = 256 * 1024;

// A single piece, such as a small message, costs less by send(2).
ssize_t send_pieces(int socket, std::span<iovec> pieces) noexcept {
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (pieces.size() == 1) {
        return ::send(socket, pieces.front().iov_base, pieces.front().iov_len, flags);
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    return ::sendmsg(socket, &message, flags);
}

}  // namespace

void frame_writer::append(const void* bytes, std::size_t size,
                          std::shared_ptr<const std::byte[]> owner) {
    if (size == 0) {
        return;
    }
    // sendmsg(2) only reads, though iovec does not say so.
    auto* const start = const_cast<void*>(bytes);
    if (!pieces_.empty() &&
        static_cast<std::byte*>(pieces_.back().iov_base) + pieces_.back().iov_len == start) {
        pieces_.back().iov_len += size;
    } else {
        pieces_.push_back({start, size});
    }
    if (owner) {
        owners_.push_back(std::move(owner));
    }
}

void frame_writer::gather(session& from, path which) {
    copies_.clear();
    copies_.reserve(copies_bytes);
    pieces_.clear();
    owners_.clear();
    next_ = 0;
    const auto copy = [&](const std::byte* bytes, std::size_t size) {
        const auto at = copies_.size();
        copies_.insert(copies_.end(), bytes, bytes + size);
        append(copies_.data() + at, size, nullptr);
    };
    std::size_t gathered = 0;
    while (pieces_.size() < pieces_max && gathered < gathered_bytes_max &&
           copies_bytes - copies_.size() >= frame_header_bytes + copied_payload_bytes_max) {
        auto frame = from.next_output(which);
        if (!frame) {
            return;
        }
        copy(frame->header.data(), frame->header.size());
        if (frame->payload_bytes <= copied_payload_bytes_max) {
            copy(frame->payload.get(), frame->payload_bytes);
        } else {
            append(frame->payload.get(), frame->payload_bytes, frame->payload);
        }
        gathered += frame_header_bytes + frame->payload_bytes;
    }
}

bool frame_writer::fill(session& from, path which) {
    if (next_ == pieces_.size()) {
        gather(from, which);
    }
    return next_ < pieces_.size();
}

frame_writer::outcome frame_writer::write(int socket) noexcept {
    while (next_ < pieces_.size()) {
        const auto written = send_pieces(socket, std::span(pieces_).subspan(next_));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN || errno == EWOULDBLOCK ? outcome::blocked : outcome::failed;
        }
        auto rest = static_cast<std::size_t>(written);
        while (next_ < pieces_.size() && rest >= pieces_[next_].iov_len) {
            rest -= pieces_[next_++].iov_len;
        }
        if (next_ < pieces_.size()) {
            auto& piece = pieces_[next_];
            piece.iov_base = static_cast<std::byte*>(piece.iov_base) + rest;
            piece.iov_len -= rest;
        }
    }
    return outcome::written;
}

}  // namespace diskhb::channels
