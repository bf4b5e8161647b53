// SPDX-License-Identifier: BSD-3-Clause
#include "ring_pair.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "io/volume.hpp"
#include "io/volume_format.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t transfer_bytes_max = 1 << 20;

[[noreturn]] void fail(const std::string& path, const boost::system::error_code& error) {
    throw setup_error(exit_volume, fmt::format("{}: {}", path, error.message()));
}

bool hears(const node& from, std::uint32_t id) {
    for (const auto& peer : from.statistics().peers) {
        if (peer.node_id == id) {
            return peer.state == peer_state::alive && peer.acknowledges_us;
        }
    }
    return false;
}

}  // namespace

void make_volume(const std::string& path, std::uint16_t slots, std::uint64_t ring_bytes) {
    auto device = io::path_source(path, io::path_source::access::read_write).open();
    if (!device) {
        fail(path, device.error());
    }
    const auto measures = format::make_geometry(4096, slots, ring_bytes, (*device)->size_bytes());
    if (!measures) {
        fail(path, measures.error());
    }
    // A file's blocks must exist before they are measured.
    const io::format_options options{.fill_rings = true, .flush = {}, .progress = {}};
    const auto content = io::make_superblock("bench", *measures, format::uuid{1}, 0);
    if (const auto error = io::write_volume(**device, content, options)) {
        fail(path, error);
    }
}

node_options options_for(const ring_settings& settings, std::uint32_t id) {
    node_options chosen;
    chosen.node_id = id;
    chosen.cluster_name = "bench";
    chosen.backend = settings.backend == "uring"   ? io_backend::uring
                     : settings.backend == "posix" ? io_backend::posix
                                                   : io_backend::automatic;
    chosen.poll_hot = std::chrono::microseconds(settings.poll_hot_us);
    chosen.poll_idle = std::chrono::microseconds(settings.poll_idle_us);
    chosen.hot_time = std::chrono::microseconds(settings.hot_time_us);
    chosen.beat_interval = std::chrono::milliseconds(settings.beat_ms);
    chosen.batch_bytes = settings.batch_bytes;
    return chosen;
}

ring_pair::ring_pair(const ring_settings& settings, on_datagram sink) {
    auto one = options_for(settings, 1);
    auto two = options_for(settings, 2);
    one.peers = {2};
    two.peers = {1};
    two.receive_bytes = 0;
    two.on_datagram = [deliver = std::move(sink)](std::uint32_t, std::span<const std::byte> got) {
        deliver(got);
    };
    sender_ = std::make_unique<node>(settings.volume, one);
    receiver_ = std::make_unique<node>(settings.volume, two);
    sender_->start();
    receiver_->start();
    for (int turn = 0; turn < 300; ++turn) {
        if (hears(*sender_, 2) && hears(*receiver_, 1)) {
            return;
        }
        std::this_thread::sleep_for(100ms);
    }
    throw setup_error(exit_failed, fmt::format("{}: the nodes do not hear each other; node 1: {}",
                                               settings.volume, sender_->statistics().ring_error));
}

bare_device::bare_device(const std::string& volume, std::uint16_t slot)
    : volume_(volume), buffer_(transfer_bytes_max) {
    io::path_source source(volume, io::path_source::access::read_only);
    const auto opened = io::open_volume(source, "bench", 10s);
    if (!opened) {
        fail(volume, opened.error());
    }
    room_offset_ = opened->superblock.measures.ring_offset(slot);
    room_bytes_ = opened->superblock.measures.ring_bytes;
    fd_ = ::open(volume.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    check(fd_, static_cast<std::size_t>(fd_));
}

bare_device::~bare_device() { ::close(fd_); }

void bare_device::write(std::size_t bytes) {
    check(::pwrite(fd_, buffer_.span().data(), bytes, next_offset(bytes)), bytes);
}

void bare_device::read(std::size_t bytes) {
    check(::pread(fd_, buffer_.span().data(), bytes, next_offset(bytes)), bytes);
}

off_t bare_device::next_offset(std::size_t bytes) noexcept {
    const auto offset = static_cast<off_t>(room_offset_ + position_ % room_bytes_);
    position_ += bytes;
    return offset;
}

void bare_device::check(ssize_t moved, std::size_t bytes) const {
    if (moved < 0 || static_cast<std::size_t>(moved) != bytes) {
        fail(volume_, {moved < 0 ? errno : EIO, boost::system::system_category()});
    }
}

}  // namespace diskhb::bench
