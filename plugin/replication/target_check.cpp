// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/replication/target_check.hpp"

#include <fmt/format.h>

#include "io/volume.hpp"
#include "io/volume_error.hpp"
#include "replication/copy_target.hpp"

namespace diskhb::daemon {
namespace {

std::string check_target(const daemon_config& config, const ring_config& ring) {
    const auto& source_path = ring.roles.send_volume;
    io::path_source source(source_path, io::path_source::access::read_only);
    const auto opened = io::open_volume(source, config.cluster_name, io::volume_patience);
    if (opened.has_error() && opened.error() == errc::wrong_cluster) {
        throw setup_error(exit_cluster, fmt::format("{}: is not a volume of cluster '{}'",
                                                    source_path, config.cluster_name));
    }
    if (opened.has_error() && opened.error() != boost::system::errc::no_such_file_or_directory) {
        throw io::volume_error(source_path, opened.error());
    }
    if (!opened) {
        return fmt::format("ring {}: {} is not there; it is copied when it appears\n",
                           ring.interface, source_path);
    }
    const auto target = replication::open_target(source_path, opened->superblock,
                                                 ring.roles.copy.target, io::backend::automatic);
    if (target.is_refused) {
        throw setup_error(exit_config, target.error);
    }
    return target.error.empty() ? fmt::format("ring {}: {} can be copied to\n", ring.interface,
                                              ring.roles.copy.target)
                                : fmt::format("ring {}: {}; copying begins when it can be used\n",
                                              ring.interface, target.error);
}

}  // namespace

std::string check_targets(const daemon_config& config) {
    std::string text;
    for (const auto& ring : config.rings) {
        if (ring.roles.copy.mode == copy_mode::builtin) {
            text += check_target(config, ring);
        }
    }
    return text;
}

}  // namespace diskhb::daemon
