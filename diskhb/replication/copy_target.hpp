// SPDX-License-Identifier: BSD-3-Clause
// What must be true of a device before a slot is copied to it. Reads only; may block as open(2) and
// stat(2) do.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "format/superblock.hpp"
#include "io/block_device.hpp"

namespace diskhb::replication {

struct copy_target {
    std::unique_ptr<io::block_device> device;  // null: it must not be written to, or is not there
    std::string error;                         // then why, in one line
    bool is_refused = false;                   // it is there, and stays wrong until somebody acts
};

// Opens it for writing and looks at its superblock, which must be that of the source: another
// volume, or the source itself, must never be written over. What is the source under a name that
// the host cannot tell is found out by slot_copier. With a slot, claims it (io/claim.hpp): what
// another process of this host has under way to it must end first.
copy_target open_target(const std::string& source_path, const format::superblock& source,
                        const std::string& target_path, io::backend how,
                        std::optional<format::slot_index> slot = std::nullopt);

}  // namespace diskhb::replication
