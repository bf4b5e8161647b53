// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_network.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <utility>

namespace diskhb::daemon {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

namespace {

asio::ip::address address_of(const ip_address& from) {
    if (from.family == corosync::ip_family::v4) {
        asio::ip::address_v4::bytes_type bytes{};
        std::copy_n(from.bytes.begin(), bytes.size(), bytes.begin());
        return asio::ip::address_v4(bytes);
    }
    asio::ip::address_v6::bytes_type bytes{};
    std::copy_n(from.bytes.begin(), bytes.size(), bytes.begin());
    return asio::ip::address_v6(bytes);
}

const network_address* find_node(const daemon_config& config, std::uint32_t node_id) {
    const auto found =
        std::find_if(config.network.begin(), config.network.end(),
                     [&](const network_address& each) { return each.node_id == node_id; });
    return found == config.network.end() ? nullptr : &*found;
}

}  // namespace

copy_network::copy_network(asio::io_context& loop, const daemon_config& config, listener on_message)
    : config_(config), on_message_(std::move(on_message)), socket_(loop) {}

// Bound to our address of link 0, which need not be there yet.
std::string copy_network::open() {
    if (config_.request_port == 0) {
        return {};
    }
    const network_address* const own = find_node(config_, config_.node_id);
    if (own == nullptr) {
        return fmt::format("{} has no ring0_addr of this node", config_.corosync_conf_path);
    }
    const udp::endpoint here(address_of(own->address), config_.request_port);
    error_code error;
    (void)socket_.open(here.protocol(), error);
    if (!error) {
        const int on = 1;
        const bool is_v4 = here.address().is_v4();
        (void)setsockopt(socket_.native_handle(), is_v4 ? IPPROTO_IP : IPPROTO_IPV6,
                         is_v4 ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof on);
        (void)socket_.non_blocking(true, error);
        (void)socket_.bind(here, error);
    }
    if (error) {
        error_code ignored;
        (void)socket_.close(ignored);
        return fmt::format("UDP port {} of {}: {}", config_.request_port,
                           here.address().to_string(), error.message());
    }
    receive();
    return {};
}

void copy_network::send(std::uint32_t to, const std::string& text) {
    const network_address* const node = find_node(config_, to);
    if (node == nullptr || !socket_.is_open()) {
        return;
    }
    error_code ignored;
    (void)socket_.send_to(asio::buffer(text),
                          udp::endpoint(address_of(node->address), config_.request_port), 0,
                          ignored);
}

void copy_network::receive() {
    socket_.async_receive_from(
        asio::buffer(received_), sender_, [this](const error_code& error, std::size_t bytes) {
            if (error == asio::error::operation_aborted) {
                return;
            }
            const auto message =
                error ? std::nullopt : parse_copy_message(std::span(received_).first(bytes));
            if (message && is_from_its_node(*message)) {
                on_message_(*message);
            }
            receive();
        });
}

bool copy_network::is_from_its_node(const copy_message& message) const {
    const network_address* const node = find_node(config_, message.from);
    return node != nullptr && address_of(node->address) == sender_.address();
}

}  // namespace diskhb::daemon
