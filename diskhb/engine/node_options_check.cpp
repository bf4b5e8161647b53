// SPDX-License-Identifier: BSD-3-Clause
#include "engine/node_options_check.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "format/frame.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

template <class Value>
void require(const char* name, Value value, Value least, Value most) {
    if (value < least || value > most) {
        throw setup_error(exit_config,
                          fmt::format("{} is {}, must be {} to {}", name, value, least, most));
    }
}

// Each receive volume is another one, and each node is read in one place.
void check_receive_from(const node_options& options, const std::string& send_volume) {
    std::set<std::string> paths = {send_volume};
    std::set<std::uint32_t> nodes;
    for (const receive_volume& each : options.receive_from) {
        if (each.path.empty() || each.nodes.empty()) {
            throw setup_error(exit_config, fmt::format("receive volume '{}' for {} nodes: needs a "
                                                       "path and at least one node",
                                                       each.path, each.nodes.size()));
        }
        if (!paths.insert(each.path).second) {
            throw setup_error(exit_config,
                              fmt::format("{} is named twice: the send volume and each receive "
                                          "volume must be different ones",
                                          each.path));
        }
        for (const std::uint32_t id : each.nodes) {
            if (std::count(options.peers.begin(), options.peers.end(), id) == 0) {
                throw setup_error(exit_config, fmt::format("node id {} of receive volume {} is not "
                                                           "a peer",
                                                           id, each.path));
            }
            if (!nodes.insert(id).second) {
                throw setup_error(exit_config,
                                  fmt::format("node id {} has two receive volumes", id));
            }
        }
    }
}

}  // namespace

node_options checked_options(node_options options, const std::string& send_volume) {
    require<nanoseconds>("ttl", options.ttl, 1ms, 10s);
    require<nanoseconds>("beat_interval", options.beat_interval, 5ms, 10s);
    require<nanoseconds>("peer_timeout", options.peer_timeout, options.beat_interval * 3, 60s);
    require<nanoseconds>("poll_idle", options.poll_idle, 100us,
                         std::min<nanoseconds>(1s, options.peer_timeout / 8));
    require<nanoseconds>("poll_hot", options.poll_hot, 0ns, options.poll_idle);
    require<nanoseconds>("hot_time", options.hot_time, 0ns, 1s);
    require<nanoseconds>("flush_deadline", options.flush_deadline, 1us, options.ttl);
    constexpr std::size_t frame = format::frame_bytes(max_datagram_bytes);
    require<std::size_t>("queue_bytes", options.queue_bytes, frame * 4, 1U << 30);
    if (options.routed_queue_bytes != 0) {
        require<std::size_t>("routed_queue_bytes", options.routed_queue_bytes, frame, 1U << 30);
        // A frame that is larger than the share would wait for ever.
        require<std::size_t>("routed_flush_bytes", options.routed_flush_bytes, 80 << 10, 1U << 20);
    }
    require<std::size_t>("fill_bytes", options.fill_bytes, 1, options.queue_bytes);
    require<std::size_t>("batch_bytes", options.batch_bytes, frame + 16384, 1U << 20);
    require<std::size_t>("receive_bytes", options.receive_bytes, options.on_datagram ? 0 : frame,
                         1U << 30);
    if (options.message_window_bytes != 0) {
        require<std::size_t>("message_window_bytes", options.message_window_bytes,
                             max_message_bytes + 65536, 1U << 30);
    }
    std::sort(options.peers.begin(), options.peers.end());
    const auto last = std::unique(options.peers.begin(), options.peers.end());
    options.peers.erase(last, options.peers.end());
    if (options.node_id == 0 || std::count(options.peers.begin(), options.peers.end(), 0U) != 0) {
        throw setup_error(exit_config, "node id 0 is not a node: ids start at 1");
    }
    if (std::count(options.peers.begin(), options.peers.end(), options.node_id) != 0) {
        throw setup_error(exit_config,
                          fmt::format("node id {} is ours and a peer's", options.node_id));
    }
    if (options.read_deadline != 0ns) {
        require<nanoseconds>("read_deadline", options.read_deadline, 1ms, 60s);
    }
    check_receive_from(options, send_volume);
    return options;
}

}  // namespace diskhb
