// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/volume_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/quorum/disk_thread.hpp"
#include "plugin/quorum/disk_volume.hpp"

namespace diskhb::quorum {

disk_options disk_options_for(const quorum_config& config, std::size_t index,
                              std::uint64_t incarnation) {
    disk_options options;
    options.index = index;
    options.path = config.volumes[index];
    options.cluster_name = config.cluster_name;
    options.node_id = config.node_id;
    for (const auto& node : config.nodes) {
        options.highest_node_id = std::max(options.highest_node_id, node.node_id);
    }
    options.incarnation = incarnation;
    options.reopen_interval = config.times.interval;
    return options;
}

std::string check_volumes(const quorum_config& config) {
    std::string text;
    const auto claims = std::make_shared<volume_claims>(config.volumes.size());
    for (std::size_t index = 0; index < config.volumes.size(); ++index) {
        const disk_options options = disk_options_for(config, index, 0);
        disk_volume volume(
            options,
            std::make_unique<io::path_source>(options.path, io::path_source::access::read_only,
                                              io::backend::posix),
            [&] { return identify_device(options.path); }, claims);
        const auto failure = volume.open();
        if (failure && failure->is_lasting) {
            throw setup_error(failure->exit_code, failure->text);
        }
        text += failure ? fmt::format("{}; the daemon starts without it\n", failure->text)
                        : fmt::format("{}: a volume of cluster '{}' with a slot for every node\n",
                                      options.path, config.cluster_name);
    }
    return text;
}

}  // namespace diskhb::quorum
