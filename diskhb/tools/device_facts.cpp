// SPDX-License-Identifier: BSD-3-Clause
#include "tools/device_facts.hpp"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "diskhb/error.hpp"
#include "tools/text.hpp"
#include "tools/volume_access.hpp"

namespace diskhb::tools {
namespace {

namespace fs = std::filesystem;

boost::system::error_code last_error() noexcept {
    return {errno, boost::system::system_category()};
}

std::optional<struct stat> look_at(const std::string& path) {
    struct stat facts {};
    return stat(path.c_str(), &facts) == 0 ? std::optional(facts) : std::nullopt;
}

bool same_object(const struct stat& a, const struct stat& b) noexcept {
    if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)) {
        return a.st_rdev == b.st_rdev;
    }
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string first_line(const fs::path& file) {
    std::ifstream input(file);
    std::string line;
    std::getline(input, line);
    return line;
}

std::string number_text(dev_t device) { return fmt::format("{}:{}", major(device), minor(device)); }

// The device and, of a whole disk, its partitions: numbers as in sysfs.
std::vector<std::string> numbers_with_partitions(dev_t device) {
    std::vector<std::string> numbers = {number_text(device)};
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/dev/block/" + numbers.front(), ignored)) {
        if (fs::exists(entry.path() / "partition", ignored)) {
            numbers.push_back(first_line(entry.path() / "dev"));
        }
    }
    return numbers;
}

// proc(5), mountinfo: field 3 is the device's number, field 5 the mount point, and the second after
// the separator "-" the source, which tells where the number is made up (btrfs).
std::string mount_point_of(const std::string& number) {
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string id, parent, device, root, point, field, type, source;
        fields >> id >> parent >> device >> root >> point;
        while (fields >> field && field != "-") {
        }
        fields >> type >> source;
        const auto facts = source.starts_with('/') ? look_at(source) : std::nullopt;
        if (device == number ||
            (facts && S_ISBLK(facts->st_mode) && number_text(facts->st_rdev) == number)) {
            return point;
        }
    }
    return {};
}

bool is_swap(const struct stat& wanted) {
    std::ifstream table("/proc/swaps");
    std::string line;
    std::getline(table, line);  // the headings
    while (std::getline(table, line)) {
        const auto facts = look_at(line.substr(0, line.find(' ')));
        if (facts && same_object(*facts, wanted)) {
            return true;
        }
    }
    return false;
}

std::string holder_of(const std::string& number) {
    std::error_code ignored;
    for (const auto& holder :
         fs::directory_iterator("/sys/dev/block/" + number + "/holders", ignored)) {
        return "/dev/" + holder.path().filename().string();
    }
    return {};
}

std::string user_of_block_device(dev_t device) {
    for (const std::string& number : numbers_with_partitions(device)) {
        if (const auto point = mount_point_of(number); !point.empty()) {
            return "mounted at " + printable(point);
        }
        if (const auto holder = holder_of(number); !holder.empty()) {
            return "part of " + printable(holder);
        }
        std::error_code ignored;
        const auto name = fs::read_symlink("/sys/dev/block/" + number, ignored).filename();
        const auto facts = look_at("/dev/" + name.string());
        if (facts && is_swap(*facts)) {
            return "swap space";
        }
    }
    return {};
}

std::string loop_over(const struct stat& wanted) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored)) {
        const auto facts = look_at(first_line(entry.path() / "loop" / "backing_file"));
        if (facts && same_object(*facts, wanted)) {
            return "/dev/" + entry.path().filename().string();
        }
    }
    return {};
}

setup_error read_only_error(const std::string& path, const std::string& why) {
    return {exit_permission, fmt::format("{}: read-only ({})", path, why)};
}

// What open(2) would let root write all the same, or report less clearly.
void refuse_read_only(const std::string& path, const struct stat& facts) {
    if (S_ISREG(facts.st_mode) && (facts.st_mode & 0222) == 0) {
        throw read_only_error(path, "the file's mode lets nobody write");
    }
    if (S_ISBLK(facts.st_mode)) {
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        int read_only = 0;
        if (fd >= 0) {
            ioctl(fd, BLKROGET, &read_only);
            close(fd);
        }
        if (read_only != 0) {
            throw read_only_error(path, "the block device is set so");
        }
    }
}

struct probe_release {
    void operator()(blkid_struct_probe* probe) const noexcept { blkid_free_probe(probe); }
};

std::string probed_value(blkid_probe probe, const char* name) {
    const char* value = nullptr;
    return blkid_probe_lookup_value(probe, name, &value, nullptr) == 0 ? printable(value)
                                                                       : std::string();
}

}  // namespace

claim::claim(const std::string& path) {
    const auto facts = look_at(path);
    if (!facts) {
        throw volume_error(path, last_error());
    }
    is_block_device_ = S_ISBLK(facts->st_mode);
    if (!is_block_device_ && !S_ISREG(facts->st_mode)) {
        throw volume_error(path, {ENOTBLK, boost::system::system_category()});
    }
    if (const auto user = user_of(path); !user.empty()) {
        throw setup_error(exit_in_use, fmt::format("{}: in use: {}", path, user));
    }
    refuse_read_only(path, *facts);
    const int exclusive = is_block_device_ ? O_EXCL : 0;
    fd_ = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC | O_NOCTTY | exclusive);
    if (fd_ < 0 && errno == EBUSY) {
        throw setup_error(exit_in_use,
                          fmt::format("{}: in use: something holds the device for itself", path));
    }
    if (fd_ < 0 && errno == EROFS) {
        throw read_only_error(path, "its file system is mounted so");
    }
    if (fd_ < 0) {
        throw volume_error(path, last_error());
    }
}

claim::~claim() { close(fd_); }

sector_sizes sectors_of(int fd) noexcept {
    int logical = 0;
    unsigned physical = 0;
    if (ioctl(fd, BLKSSZGET, &logical) != 0 || ioctl(fd, BLKPBSZGET, &physical) != 0) {
        return {};
    }
    return {static_cast<std::uint32_t>(logical), physical};
}

std::string known_content(const std::string& object, const std::string& path) {
    const int fd = open(object.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        throw volume_error(path, last_error());
    }
    // libblkid reads through the page cache, which may hold what the device no longer does.
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    const std::unique_ptr<blkid_struct_probe, probe_release> probe(blkid_new_probe());
    std::string found;
    int outcome = -1;
    if (probe && blkid_probe_set_device(probe.get(), fd, 0, 0) == 0) {
        blkid_probe_enable_superblocks(probe.get(), 1);
        blkid_probe_set_superblocks_flags(
            probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_MAGIC);
        blkid_probe_enable_partitions(probe.get(), 1);
        while ((outcome = blkid_do_probe(probe.get())) == 0) {
            const auto type = probed_value(probe.get(), "TYPE");
            const auto table = probed_value(probe.get(), "PTTYPE");
            const auto usage = probed_value(probe.get(), "USAGE");
            const std::string what = type.empty() ? fmt::format("a {} partition table", table)
                                     : usage == "filesystem"
                                         ? fmt::format("an {} file system", type)
                                         : fmt::format("{} data", type);
            found += (found.empty() ? "" : " and ") + what;
        }
    }
    close(fd);
    if (outcome < 0) {
        throw setup_error(exit_volume, fmt::format("{}: cannot be read", path));
    }
    return found;
}

std::string user_of(const std::string& path) {
    const auto facts = look_at(path);
    if (!facts) {
        return {};
    }
    if (S_ISBLK(facts->st_mode)) {
        return user_of_block_device(facts->st_rdev);
    }
    if (is_swap(*facts)) {
        return "swap space";
    }
    const auto loop = loop_over(*facts);
    return loop.empty() ? std::string() : "the backing file of " + loop;
}

}  // namespace diskhb::tools
