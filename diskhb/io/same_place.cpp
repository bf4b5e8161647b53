// SPDX-License-Identifier: BSD-3-Clause
#include "io/same_place.hpp"

#include <sys/stat.h>

#include <filesystem>

namespace diskhb::io {

bool is_same_place(const std::string& left, const std::string& right) {
    if (std::filesystem::path(left).lexically_normal() ==
        std::filesystem::path(right).lexically_normal()) {
        return true;
    }
    struct stat one {};
    struct stat other {};
    if (stat(left.c_str(), &one) != 0 || stat(right.c_str(), &other) != 0) {
        return false;
    }
    const bool is_one_device =
        S_ISBLK(one.st_mode) && S_ISBLK(other.st_mode) && one.st_rdev == other.st_rdev;
    return is_one_device || (one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

}  // namespace diskhb::io
