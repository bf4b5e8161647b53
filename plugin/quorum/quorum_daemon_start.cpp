// SPDX-License-Identifier: BSD-3-Clause
// What diskhb-quorumd makes sure of before its first vote.
#include <boost/asio/post.hpp>

#include "plugin/quorum/quorum_daemon.hpp"
#include "plugin/quorum/volume_check.hpp"

namespace diskhb::quorum {

namespace {

// For all volumes together; those that hang longer may join later.
constexpr std::chrono::seconds open_patience{5};

}  // namespace

void quorum_daemon::open_volumes() {
    const auto claims = std::make_shared<volume_claims>(config_.volumes.size());
    for (std::size_t index = 0; index < config_.volumes.size(); ++index) {
        const std::string& path = config_.volumes[index];
        disks_.push_back(std::make_unique<disk_thread>(
            disk_options_for(config_, index, incarnation_),
            std::make_unique<io::path_source>(path, io::path_source::access::read_write,
                                              io::backend::posix),
            [path] { return identify_device(path); }, claims, clock_,
            [this](const disk_result& result) {
                boost::asio::post(loop_, [this, result] { handle_disk(result); });
            }));
    }
    const auto deadline = std::chrono::steady_clock::now() + open_patience;
    for (const auto& disk : disks_) {
        disk->wait_opened(deadline - std::chrono::steady_clock::now());
        if (const auto failure = disk->failure(); failure && failure->is_lasting) {
            throw setup_error(failure->exit_code, failure->text);
        }
    }
    for (std::size_t index = 0; index < disks_.size(); ++index) {
        watch_volume(index);
    }
}

}  // namespace diskhb::quorum
