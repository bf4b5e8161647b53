// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/volume_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/volume.hpp"
#include "io/volume_error.hpp"

namespace diskhb::daemon {
namespace {

using access = io::path_source::access;

void check_slots(const daemon_config& config, const ring_config& ring, std::uint32_t slots) {
    std::uint32_t highest = config.node_id;
    for (const auto& peer : ring.peers) {
        highest = std::max(highest, peer.node_id);
    }
    if (highest > slots) {
        throw setup_error(exit_config,
                          fmt::format("{}: has slots for node ids 1 to {}, and corosync.conf has "
                                      "node id {}: format it with --slots {} or more",
                                      ring.volume, slots, highest, highest));
    }
}

// Nothing if it is not there.
std::optional<format::superblock> look_at(const daemon_config& config, const std::string& path,
                                          access how) {
    io::path_source source(path, how);
    const auto opened = io::open_volume(source, "", io::volume_patience);
    if (opened.has_error() && opened.error() == boost::system::errc::no_such_file_or_directory) {
        return std::nullopt;
    }
    if (!opened) {
        throw io::volume_error(path, opened.error());
    }
    const auto& found = opened->superblock;
    if (found.cluster_name != config.cluster_name) {
        throw setup_error(exit_cluster,
                          fmt::format("{}: is the volume of cluster '{}', corosync.conf is of "
                                      "cluster '{}': name the right volume in diskhb.toml",
                                      path, found.cluster_name, config.cluster_name));
    }
    return found;
}

std::string measures_text(const format::geometry& measures) {
    return fmt::format("{} slots, rings of {} KiB and blocks of {} bytes", measures.slots,
                       measures.ring_bytes / 1024, measures.block_bytes);
}

void check_receive_volume(const std::string& path, const format::superblock& found,
                          const std::string& send_path, const format::superblock& send) {
    if (found.cluster == send.cluster) {
        throw setup_error(exit_config,
                          fmt::format("{}: is the send volume {} under another name, or a copy of "
                                      "it (uuid {}); a receive volume is a copy of what the other "
                                      "nodes write to",
                                      path, send_path, format::to_string(send.cluster)));
    }
    const auto& ours = send.measures;
    const auto& theirs = found.measures;
    if (theirs.slots != ours.slots || theirs.ring_bytes != ours.ring_bytes ||
        theirs.block_bytes != ours.block_bytes) {
        throw setup_error(exit_config,
                          fmt::format("{}: has {}, the send volume {} has {}: format the send "
                                      "volumes of all sites alike (--slots, --ring-size)",
                                      path, measures_text(theirs), send_path, measures_text(ours)));
    }
}

std::string check_receive_volumes(const daemon_config& config, const ring_config& ring,
                                  const std::optional<format::superblock>& send) {
    std::string text;
    for (const auto& area : ring.roles.receive_from) {
        const auto found = look_at(config, area.path, access::read_only);
        if (!found) {
            text += fmt::format("ring {}: {} is not there; nodes {} are read when it appears\n",
                                ring.interface, area.path, fmt::join(area.nodes, ", "));
            continue;
        }
        if (send) {
            check_receive_volume(area.path, *found, ring.volume, *send);
        }
        text += fmt::format("ring {}: {} is a copy of volume {}\n", ring.interface, area.path,
                            format::to_string(found->cluster));
    }
    return text;
}

std::string check_ring(const daemon_config& config, const ring_config& ring) {
    const auto found = look_at(config, ring.volume, access::read_write);
    std::string text;
    if (found) {
        check_slots(config, ring, found->measures.slots);
        text = fmt::format("ring {}: {} is a volume of cluster '{}' with {} slots\n",
                           ring.interface, ring.volume, found->cluster_name, found->measures.slots);
    } else {
        text = fmt::format("ring {}: {} is not there; the ring joins when it appears\n",
                           ring.interface, ring.volume);
    }
    return text + check_receive_volumes(config, ring, found);
}

}  // namespace

std::string check_volumes(const daemon_config& config) {
    std::string text;
    for (const auto& ring : config.rings) {
        text += check_ring(config, ring);
    }
    return text;
}

}  // namespace diskhb::daemon
