// SPDX-License-Identifier: BSD-3-Clause
#include "channel/host.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "channel/core.hpp"

namespace diskhb::channels {
namespace {

// Strangers that have not said who they are: so many at once, for so long.
constexpr std::size_t greetings_max = 64;
constexpr std::chrono::seconds greeting_patience{2};
// When accepting fails (no file descriptors left), not at once again.
constexpr std::chrono::milliseconds accept_pause{100};

}  // namespace

boost::asio::ip::address parse_address(const std::string& text, const char* what) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(text, error);
    if (error || address.is_unspecified() || address.is_multicast()) {
        throw setup_error(
            exit_config, fmt::format("{} '{}' is no address of one host, as a number", what, text));
    }
    return address;
}

void check_name(const std::string& name, const char* what) {
    const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (name.empty() || name.size() > name_bytes_max || !printable) {
        throw setup_error(exit_config,
                          fmt::format("{} must have 1 .. {} bytes, none a control character", what,
                                      name_bytes_max));
    }
}

void open_on(tcp::acceptor& acceptor, const tcp::endpoint& where) {
    boost::system::error_code error;
    acceptor.open(where.protocol(), error);
    if (!error) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
        // The address may come later than we do: the ring's with diskhbd.
        const int on = 1;
        const bool is_v4 = where.address().is_v4();
        if (::setsockopt(acceptor.native_handle(), is_v4 ? IPPROTO_IP : IPPROTO_IPV6,
                         is_v4 ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof on) != 0) {
            error.assign(errno, boost::system::system_category());
        }
    }
    if (!error) {
        acceptor.bind(where, error);
    }
    if (!error) {
        acceptor.listen(tcp::acceptor::max_listen_connections, error);
    }
    if (error) {
        const bool taken = error == boost::asio::error::address_in_use;
        throw setup_error(taken ? exit_in_use : exit_failed,
                          fmt::format("cannot listen on {} port {}: {}{}",
                                      where.address().to_string(), where.port(), error.message(),
                                      taken ? "; give this process a port of its own" : ""));
    }
}

}  // namespace diskhb::channels

namespace diskhb {

using namespace channels;

channel_host::implementation::implementation(channel_host_options options)
    : options_(std::move(options)) {
    check_name(options_.cluster_name, "the cluster's name");
    if (options_.node_id == 0 || options_.port == 0) {
        throw setup_error(exit_config, "a channel needs a node id and a port, neither of them 0");
    }
    addresses_[0] = parse_address(options_.network_address, "network address");
    if (!options_.volume_address.empty()) {
        addresses_[1] = parse_address(options_.volume_address, "volume address");
        if (addresses_[0] == addresses_[1]) {
            throw setup_error(exit_config,
                              fmt::format("network and volume have the same address {}: the "
                                          "volume's is the one of the ring's interface",
                                          options_.volume_address));
        }
    }
    for (const auto& address : addresses_) {
        if (address) {
            open_on(acceptors_.emplace_back(context_), {*address, options_.port});
        }
    }
    for (std::size_t i = 0; i < acceptors_.size(); ++i) {
        accept(static_cast<path>(i));
    }
    thread_ = std::thread([this] { context_.run(); });
}

channel_host::implementation::~implementation() {
    context_.stop();
    thread_.join();
}

void channel_host::implementation::add(const channel_key& key, std::weak_ptr<core> added) {
    const std::lock_guard guard(lock_);
    if (!channels_.emplace(key, std::move(added)).second) {
        throw setup_error(exit_in_use,
                          fmt::format("there is a channel from '{}' to '{}' of node {} already",
                                      key.name, key.peer.name, key.peer.node_id));
    }
}

void channel_host::implementation::remove(const channel_key& key) {
    const std::lock_guard guard(lock_);
    channels_.erase(key);
}

void channel_host::implementation::accept(path which) {
    acceptors_[index_of(which)].async_accept(
        [this, which](const boost::system::error_code& error, tcp::socket socket) {
            if (error) {
                auto pause = std::make_shared<boost::asio::steady_timer>(context_, accept_pause);
                pause->async_wait([this, which, pause](const boost::system::error_code& stopped) {
                    if (!stopped) {
                        accept(which);
                    }
                });
                return;
            }
            greet(which, std::move(socket), false);
            accept(which);
        });
}

void channel_host::implementation::greet(path which, tcp::socket socket, bool is_answer) {
    if (greeting_now_ >= greetings_max || !prepare(socket)) {
        close(socket, true);
        ++refused_;
        return;
    }
    ++greeting_now_;
    auto on_done = [this, which, is_answer](tcp::socket greeted, const result<hello>& theirs) {
        --greeting_now_;
        if (theirs) {
            introduce(which, std::move(greeted), *theirs, is_answer);
        } else {
            ++refused_;
        }
    };
    std::make_shared<greeting>(std::move(socket), std::move(on_done))->start(greeting_patience);
}

void channel_host::implementation::introduce(path which, tcp::socket socket, const hello& said,
                                             bool is_answer) {
    std::shared_ptr<core> meant;
    if (said.cluster_name == options_.cluster_name && said.to.node_id == options_.node_id &&
        said.which == which) {
        const std::lock_guard guard(lock_);
        const auto found = channels_.find({said.to.name, said.from});
        meant = found == channels_.end() ? nullptr : found->second.lock();
    }
    if (meant && is_answer && meant->welcome(which, socket, said)) {
        return;
    }
    if (meant && !is_answer && meant->answer(which, socket)) {
        greet(which, std::move(socket), true);
        return;
    }
    close(socket, true);
    ++refused_;
}

channel_host::channel_host(channel_host_options options)
    : implementation_(std::make_unique<implementation>(std::move(options))) {}
channel_host::~channel_host() = default;

std::uint64_t channel_host::refused() const noexcept { return implementation_->refused(); }

}  // namespace diskhb
