// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/volume_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/volume.hpp"
#include "io/volume_error.hpp"

namespace diskhb::daemon {
namespace {

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

std::string check_volume(const daemon_config& config, const ring_config& ring) {
    io::path_source source(ring.volume, io::path_source::access::read_write);
    const auto opened = io::open_volume(source, "", io::volume_patience);
    if (opened.has_error() && opened.error() == boost::system::errc::no_such_file_or_directory) {
        return fmt::format("ring {}: {} is not there; the ring joins when it appears\n",
                           ring.interface, ring.volume);
    }
    if (!opened) {
        throw io::volume_error(ring.volume, opened.error());
    }
    const auto& found = opened->superblock;
    if (found.cluster_name != config.cluster_name) {
        throw setup_error(exit_cluster,
                          fmt::format("{}: is the volume of cluster '{}', corosync.conf is of "
                                      "cluster '{}': name the right volume in diskhb.toml",
                                      ring.volume, found.cluster_name, config.cluster_name));
    }
    check_slots(config, ring, found.measures.slots);
    return fmt::format("ring {}: {} is a volume of cluster '{}' with {} slots\n", ring.interface,
                       ring.volume, found.cluster_name, found.measures.slots);
}

}  // namespace

std::string check_volumes(const daemon_config& config) {
    std::string text;
    for (const auto& ring : config.rings) {
        text += check_volume(config, ring);
    }
    return text;
}

}  // namespace diskhb::daemon
