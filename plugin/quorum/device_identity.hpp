// SPDX-License-Identifier: BSD-3-Clause
// Which device a path leads to, told so that two nodes can compare (format::device_identity), and
// whether it may be a quorum volume at all. A copy kept by replication gives back what was written
// to it a while ago: with it two partitions could each have a majority. Looks only: stat(2),
// statfs(2), sysfs(5). May block as they do, so on a disk thread. Sources: the kernel's
// Documentation/ABI/testing/sysfs-block*, sysfs-bus-scsi (wwid), sysfs-block-dm (dm/uuid).
#pragma once

#include <string>

#include "format/quorum_block.hpp"

namespace diskhb::quorum {

struct device_report {
    // Domain 0 where the host cannot tell: a file on a file system whose numbers are each client's
    // own (FUSE, NFS, CIFS, 9p).
    format::device_identity identity;
    // Empty, or why no quorum volume can be on it: "is a DRBD device ...".
    std::string refusal;
};

// The roots are "/sys" and "/proc" but for tests. A path that is not there: domain 0, no refusal.
device_report identify_device(const std::string& path, const std::string& sys_root = "/sys",
                              const std::string& proc_root = "/proc");

}  // namespace diskhb::quorum
