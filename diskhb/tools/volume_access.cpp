// SPDX-License-Identifier: BSD-3-Clause
#include "tools/volume_access.hpp"

#include <fmt/core.h>

#include <cerrno>

namespace diskhb::tools {
namespace {

setup_error device_error(const std::string& path, const boost::system::error_code& error) {
    switch (error.value()) {
        case ENOENT:
            return {exit_volume, fmt::format("{}: there is no such device or file", path)};
        case EACCES:
        case EPERM:
            return {exit_permission, fmt::format("{}: {}", path, error.message())};
        case ENOTBLK:
            return {exit_volume,
                    fmt::format("{}: neither a block device nor a regular file", path)};
        case EINVAL:
            return {exit_volume,
                    fmt::format("{}: no direct I/O here (O_DIRECT); use a block device, or a file "
                                "on a file system that has it, such as ext4, XFS or tmpfs",
                                path)};
        default:
            return {exit_volume, fmt::format("{}: {}", path, error.message())};
    }
}

}  // namespace

setup_error volume_error(const std::string& path, const boost::system::error_code& error) {
    if (error.category() != error_category()) {
        return device_error(path, error);
    }
    switch (static_cast<errc>(error.value())) {
        case errc::timed_out:
            return {
                exit_volume,
                fmt::format("{}: the device did not answer within {} s", path,
                            std::chrono::duration_cast<std::chrono::seconds>(io_patience).count())};
        case errc::truncated:
            return {exit_volume,
                    fmt::format("{}: smaller than the diskhb volume that was made on it", path)};
        case errc::empty_block:
        case errc::bad_magic:
            return {exit_format, fmt::format("{}: not a diskhb volume", path)};
        case errc::other_version:
            return {exit_format,
                    fmt::format("{}: a diskhb volume of another format version than this program "
                                "({}) knows",
                                path, DISKHB_VERSION)};
        default:
            return {exit_format, fmt::format("{}: both superblocks are unusable, the first: {}",
                                             path, error.message())};
    }
}

std::unique_ptr<io::block_device> open_device(const std::string& path,
                                              io::path_source::access mode) {
    auto opened = io::path_source(path, mode).open();
    if (!opened) {
        throw volume_error(path, opened.error());
    }
    return std::move(*opened);
}

io::opened_volume open_for_reading(const std::string& path) {
    auto source = io::path_source(path, io::path_source::access::read_only);
    auto opened = io::open_volume(source, "", io_patience);
    if (!opened) {
        throw volume_error(path, opened.error());
    }
    return std::move(*opened);
}

volume_reader::volume_reader(std::string path, io::block_device& device, std::size_t bytes_max)
    : path_(std::move(path)),
      channel_(device.make_channel(1)),
      buffer_(std::make_unique<io::aligned_buffer>(bytes_max)) {}

volume_reader::~volume_reader() = default;

std::span<const std::byte> volume_reader::read(std::uint64_t offset, std::size_t bytes) {
    const auto into = buffer_->span().first(bytes);
    const auto error = io::transfer(*channel_, {io::operation::read, offset, into, 0}, io_patience);
    if (error == errc::timed_out) {
        // Left to the kernel, which may still fill the buffer.
        [[maybe_unused]] auto* const channel = channel_.release();
        [[maybe_unused]] auto* const buffer = buffer_.release();
    }
    if (error) {
        throw volume_error(path_, error);
    }
    return into;
}

}  // namespace diskhb::tools
