// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/channel.hpp"

#include <fmt/format.h>

#include "channel/core.hpp"

namespace diskhb {
namespace {

constexpr std::chrono::milliseconds heartbeat_min{5};
constexpr std::chrono::microseconds heartbeat_max{channels::heartbeat_us_max};
constexpr std::size_t window_bytes_max = 1 << 30;

[[noreturn]] void refuse(const std::string& text) { throw setup_error(exit_config, text); }

void check(const channel_host_options& host, const channel_options& options) {
    channels::check_name(options.name, "the name of an endpoint");
    channels::check_name(options.peer_name, "the name of the peer's endpoint");
    const auto& peer = options.peer;
    if (peer.node_id == 0 || peer.port == 0) {
        refuse("the peer of a channel needs a node id and a port, neither of them 0");
    }
    if (peer.node_id == host.node_id && options.name == options.peer_name) {
        refuse(fmt::format("endpoint '{}' of node {} cannot be its own peer", options.name,
                           peer.node_id));
    }
    const auto network =
        channels::parse_address(peer.network_address, "the peer's network address");
    if (!peer.volume_address.empty() &&
        channels::parse_address(peer.volume_address, "the peer's volume address") == network) {
        refuse(fmt::format("network and volume of the peer have the same address {}",
                           peer.volume_address));
    }
    if (options.heartbeat < heartbeat_min || options.heartbeat > heartbeat_max) {
        refuse("the heartbeat of a channel must be 5 ms .. 10 s");
    }
    if (options.window_bytes < channels::window_bytes_min ||
        options.window_bytes > window_bytes_max) {
        refuse("the window of a channel must be 2 MiB .. 1 GiB");
    }
}

}  // namespace

const char* channel_path_name(channel_path path) noexcept {
    switch (path) {
        case channel_path::network:
            return "network";
        case channel_path::volume:
            return "volume";
        case channel_path::none:
            break;
    }
    return "none";
}

channel::channel(channel_host& host, channel_options options) {
    check(host.implementation_->options(), options);
    implementation_ = std::make_shared<implementation>(*host.implementation_, std::move(options));
    implementation_->start();
}

channel::~channel() { implementation_->stop(); }

boost::system::error_code channel::send(std::span<const std::byte> message,
                                        std::chrono::nanoseconds timeout) noexcept {
    return implementation_->send(message, timeout);
}

result<std::size_t> channel::receive(std::span<std::byte> buffer,
                                     std::chrono::nanoseconds timeout) noexcept {
    return implementation_->receive(buffer, timeout);
}

boost::system::error_code channel::flush(std::chrono::nanoseconds timeout) noexcept {
    return implementation_->flush(timeout);
}

channel_path channel::path() const noexcept { return implementation_->statistics().path; }

channel_statistics channel::statistics() const { return implementation_->statistics(); }

}  // namespace diskhb
