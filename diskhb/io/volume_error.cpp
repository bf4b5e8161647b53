// SPDX-License-Identifier: BSD-3-Clause
#include "io/volume_error.hpp"

#include <fmt/core.h>

#include <cerrno>

namespace diskhb::io {
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
            return {exit_volume, fmt::format("{}: the device did not answer within {} s", path,
                                             volume_patience.count())};
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

}  // namespace diskhb::io
