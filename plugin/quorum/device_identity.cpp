// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/device_identity.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>

namespace diskhb::quorum {

namespace {

namespace fs = std::filesystem;

constexpr int dm_depth_max = 8;

// FNV-1a (Fowler, Noll, Vo), 64 bits: these are names, and nobody attacks them. Part of the format
// on disk.
std::uint64_t hash(std::string_view text) noexcept {
    std::uint64_t value = 0xcbf29ce484222325ULL;
    for (const char each : text) {
        value = (value ^ static_cast<unsigned char>(each)) * 0x100000001b3ULL;
    }
    return value == 0 ? 1 : value;
}

std::string first_line(const fs::path& file) {
    std::ifstream input(file);
    std::string line;
    std::getline(input, line);
    const auto is_blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
    while (!line.empty() && is_blank(line.back())) {
        line.pop_back();
    }
    return line;
}

// What a device says of itself, wherever it is plugged in; empty if it says nothing.
std::string own_name(const fs::path& device) {
    for (const char* attribute : {"device/wwid", "wwid", "serial", "device/serial"}) {
        if (auto name = first_line(device / attribute); !name.empty()) {
            return name;
        }
    }
    return {};
}

struct block_walk {
    std::set<std::string> names;  // of what lies at the bottom
    std::string dm;               // the uuid of the topmost device that cuts or joins others
    std::string refusal;
    bool is_complete = true;  // every device at the bottom has a name
};

void walk(const fs::path& device, int depth, block_walk& found) {
    std::error_code ignored;
    const auto name = device.filename().string();
    if (name.starts_with("drbd")) {
        found.refusal =
            "is a DRBD device: each node would read its own copy; use a disk that all nodes reach";
        return;
    }
    if (fs::exists(device / "md", ignored)) {
        found.refusal =
            "is an md device: each node would keep a mirror of its own; use a disk that all nodes "
            "reach";
        return;
    }
    if (fs::exists(device / "partition", ignored)) {
        found.dm += fmt::format("partition {};", first_line(device / "partition"));
        walk(fs::canonical(device, ignored).parent_path(), depth, found);
        return;
    }
    const auto uuid = first_line(device / "dm" / "uuid");
    // A path of multipath is the device itself; what LVM and others cut out of it is not.
    if (!uuid.empty() && !uuid.starts_with("mpath-")) {
        found.dm += uuid + ";";
    }
    bool is_bottom = true;
    if (depth < dm_depth_max) {
        for (const auto& below : fs::directory_iterator(device / "slaves", ignored)) {
            is_bottom = false;
            walk(below.path(), depth + 1, found);
        }
    }
    if (is_bottom) {
        auto own = own_name(device);
        found.is_complete = found.is_complete && !own.empty();
        found.names.insert(std::move(own));
    }
}

// Numbers and inodes mean the same only while one kernel runs.
std::uint64_t host_domain(const std::string& proc_root) {
    return hash("host:" + first_line(proc_root + "/sys/kernel/random/boot_id"));
}

bool is_numbered_by_client(const std::string& path) {
    struct statfs facts {};
    if (statfs(path.c_str(), &facts) != 0) {
        return true;
    }
    constexpr std::array<std::uint32_t, 9> remote = {
        FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        V9FS_MAGIC,       CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC};
    return std::find(remote.begin(), remote.end(), static_cast<std::uint32_t>(facts.f_type)) !=
           remote.end();
}

device_report identify_file(const std::string& path, const struct stat& facts,
                            const std::string& proc_root) {
    if (is_numbered_by_client(path)) {
        return {};
    }
    return {{host_domain(proc_root), hash(fmt::format("file {}:{} {}", major(facts.st_dev),
                                                      minor(facts.st_dev), facts.st_ino))},
            {}};
}

device_report identify_block(dev_t number, const std::string& sys_root,
                             const std::string& proc_root) {
    std::error_code error;
    const auto text = fmt::format("{}:{}", major(number), minor(number));
    const auto device = fs::canonical(sys_root + "/dev/block/" + text, error);
    if (error) {
        return {};
    }
    if (const auto backing = first_line(device / "loop" / "backing_file"); !backing.empty()) {
        struct stat facts {};
        return stat(backing.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)
                   ? identify_file(backing, facts, proc_root)
                   : device_report{};
    }
    block_walk found;
    walk(device, 0, found);
    if (!found.refusal.empty()) {
        return {{}, found.refusal};
    }
    if (found.is_complete) {
        return {{hash("wwid"), hash(fmt::format("{}{}", found.dm, fmt::join(found.names, ";")))},
                {}};
    }
    return {{host_domain(proc_root), hash("device " + text)}, {}};
}

}  // namespace

device_report identify_device(const std::string& path, const std::string& sys_root,
                              const std::string& proc_root) {
    struct stat facts {};
    if (stat(path.c_str(), &facts) != 0) {
        return {};
    }
    return S_ISBLK(facts.st_mode) ? identify_block(facts.st_rdev, sys_root, proc_root)
                                  : identify_file(path, facts, proc_root);
}

}  // namespace diskhb::quorum
