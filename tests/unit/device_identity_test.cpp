// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/device_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "volume_file.hpp"

namespace diskhb::quorum {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A sysfs and a proc of our own, with block devices as the kernel shows them. The path that is
// looked up is a real block device node of that number, made in the same folder.
class device_on_sysfs : public testing::Test {
  protected:
    device_on_sysfs() : root_(fs::temp_directory_path() / "diskhb-sysfs-XXXXXX") {
        std::string name = root_.string();
        EXPECT_NE(mkdtemp(name.data()), nullptr);
        root_ = name;
        put("proc/sys/kernel/random/boot_id", "0d8c1f7e-boot");
    }
    ~device_on_sysfs() override { fs::remove_all(root_); }

    void put(const std::string& file, const std::string& text) {
        fs::create_directories((root_ / file).parent_path());
        std::ofstream(root_ / file) << text << "\n";
    }
    // A device below sys/devices with that number.
    void add(const std::string& name, unsigned minor_number) {
        const auto folder = root_ / "sys/devices" / name;
        fs::create_directories(folder);
        fs::create_directories(root_ / "sys/dev/block");
        fs::create_directory_symlink(folder, root_ / fmt_number("sys/dev/block/", minor_number));
    }
    void stack(const std::string& upper, const std::string& lower) {
        const auto slaves = root_ / "sys/devices" / upper / "slaves";
        fs::create_directories(slaves);
        fs::create_directory_symlink(root_ / "sys/devices" / lower,
                                     slaves / fs::path(lower).filename());
    }
    device_report identify(unsigned minor_number) {
        const auto node = root_ / fmt_number("node-", minor_number);
        if (!fs::exists(node)) {
            can_make_nodes_ =
                mknod(node.c_str(), S_IFBLK | 0600, makedev(test_major, minor_number)) == 0;
        }
        return identify_device(node, root_ / "sys", root_ / "proc");
    }

    bool can_make_nodes_ = true;
    static constexpr unsigned test_major = 240;  // for local and experimental use

  private:
    static std::string fmt_number(const std::string& before, unsigned minor_number) {
        return before + std::to_string(test_major) + ":" + std::to_string(minor_number);
    }
    fs::path root_;
};

TEST_F(device_on_sysfs, knows_a_disk_by_its_wwid_wherever_it_is_plugged_in) {
    add("sda", 1);
    put("sys/devices/sda/device/wwid", "naa.6000c29a");
    add("sdb", 2);
    put("sys/devices/sdb/device/wwid", "naa.6000c29a");
    add("sdc", 3);
    put("sys/devices/sdc/device/wwid", "naa.70000000");
    const auto first = identify(1);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    EXPECT_NE(first.identity.domain, 0U);
    EXPECT_EQ(first.identity, identify(2).identity);
    EXPECT_TRUE(first.identity.is_other_than(identify(3).identity));
}

TEST_F(device_on_sysfs, sees_through_multipath) {
    add("sda", 1);
    put("sys/devices/sda/device/wwid", "naa.6000c29a");
    add("sdb", 2);
    put("sys/devices/sdb/device/wwid", "naa.6000c29a");
    add("dm-0", 3);
    put("sys/devices/dm-0/dm/uuid", "mpath-36000c29a");
    stack("dm-0", "sda");
    stack("dm-0", "sdb");
    const auto path = identify(1);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    EXPECT_EQ(identify(3).identity, path.identity);
}

TEST_F(device_on_sysfs, tells_logical_volumes_and_partitions_of_one_disk_apart) {
    add("sda", 1);
    put("sys/devices/sda/device/wwid", "naa.6000c29a");
    add("sda/sda1", 2);
    put("sys/devices/sda/sda1/partition", "1");
    add("sda/sda2", 3);
    put("sys/devices/sda/sda2/partition", "2");
    add("dm-0", 4);
    put("sys/devices/dm-0/dm/uuid", "LVM-aaaa");
    stack("dm-0", "sda");
    const auto one = identify(2);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    EXPECT_TRUE(one.identity.is_other_than(identify(3).identity));
    EXPECT_TRUE(one.identity.is_other_than(identify(1).identity));
    EXPECT_TRUE(one.identity.is_other_than(identify(4).identity));
}

TEST_F(device_on_sysfs, refuses_mirrors_that_each_node_keeps_for_itself) {
    add("drbd0", 1);
    add("md0", 2);
    put("sys/devices/md0/md/level", "raid1");
    add("dm-0", 3);
    put("sys/devices/dm-0/dm/uuid", "LVM-bbbb");
    stack("dm-0", "md0");
    const auto drbd = identify(1);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    EXPECT_THAT(drbd.refusal, HasSubstr("is a DRBD device"));
    EXPECT_THAT(identify(2).refusal, HasSubstr("is an md device"));
    EXPECT_THAT(identify(3).refusal, HasSubstr("is an md device"));
}

TEST_F(device_on_sysfs, tells_nameless_devices_apart_on_one_host_only) {
    add("vda", 1);
    add("vdb", 2);
    const auto first = identify(1);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    EXPECT_TRUE(first.identity.is_other_than(identify(2).identity));
    put("proc/sys/kernel/random/boot_id", "another boot");
    EXPECT_FALSE(first.identity.is_other_than(identify(2).identity));
}

TEST_F(device_on_sysfs, knows_a_file_by_its_number_and_takes_a_loop_device_for_it) {
    test::volume_file file;
    test::volume_file other;
    const auto of_file = identify_device(file.path());
    EXPECT_NE(of_file.identity.domain, 0U);
    EXPECT_EQ(of_file.identity, identify_device(file.path()).identity);
    EXPECT_TRUE(of_file.identity.is_other_than(identify_device(other.path()).identity));

    add("loop0", 1);
    put("sys/devices/loop0/loop/backing_file", file.path());
    const auto loop = identify(1);
    if (!can_make_nodes_) {
        GTEST_SKIP() << "making device nodes needs root";
    }
    // The same file, asked by a host of another boot: the number says nothing there.
    EXPECT_EQ(loop.identity.value, of_file.identity.value);
    EXPECT_NE(loop.identity.domain, of_file.identity.domain);
}

TEST_F(device_on_sysfs, says_nothing_about_a_path_that_is_not_there) {
    const auto report = identify_device("/nonexistent/volume");
    EXPECT_EQ(report.identity, format::device_identity{});
    EXPECT_TRUE(report.refusal.empty());
}

}  // namespace
}  // namespace diskhb::quorum
