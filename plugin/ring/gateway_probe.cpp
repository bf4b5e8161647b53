// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/gateway_probe.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "diskhb/error.hpp"
#include "engine/clock.hpp"

namespace diskhb::daemon {

namespace {

// Type u8, code u8, checksum u16, identifier u16, number u16, then our nonce.
constexpr std::size_t header_bytes = 8;
using question = std::array<std::uint8_t, header_bytes + sizeof(std::uint64_t)>;

std::uint8_t question_type(bool v4) { return v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST; }
std::uint8_t answer_type(bool v4) { return v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY; }

// RFC 1071; for IPv6 the kernel does it.
void put_checksum(question& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t index = 0; index < bytes.size(); index += 2) {
        sum += static_cast<std::uint32_t>(bytes[index]) << 8 | bytes[index + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    bytes[2] = static_cast<std::uint8_t>(sum >> 8);
    bytes[3] = static_cast<std::uint8_t>(sum & 0xff);
}

// A socket of icmp(7), which any user may have whom net.ipv4.ping_group_range allows it; else a
// raw one.
int open_socket(bool v4, bool& is_raw) {
    const int family = v4 ? AF_INET : AF_INET6;
    const int protocol = v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    constexpr int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(family, SOCK_DGRAM | flags, protocol);
    is_raw = fd < 0;
    if (is_raw) {
        fd = socket(family, SOCK_RAW | flags, protocol);
    }
    if (fd < 0) {
        const int error = errno;
        throw setup_error(error == EPERM || error == EACCES ? exit_permission : exit_failed,
                          fmt::format("a route's gateway cannot be asked by ICMP: {}; it needs "
                                      "CAP_NET_RAW, or net.ipv4.ping_group_range with our group",
                                      std::strerror(error)));
    }
    if (is_raw && !v4) {
        icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        (void)setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    }
    return fd;
}

}  // namespace

gateway_probe::gateway_probe(boost::asio::io_context& loop, const corosync::ip_address& target,
                             bool is_beyond)
    : target_(target),
      is_beyond_(is_beyond),
      is_v4_(target.family == corosync::ip_family::v4),
      socket_(loop, open_socket(is_v4_, is_raw_)) {
    wait_for_answer();
}

std::optional<bool> gateway_probe::ask(const std::string& interface) {
    const auto before = asked_ ? std::optional(answered_) : std::nullopt;
    nonce_ = engine::random_incarnation();
    asked_ = true;
    answered_ = false;
    error_.clear();
    if (interface.empty()) {
        error_ = "the interface of the gateway is not known yet";
    } else if (!send(interface)) {
        error_ = std::strerror(errno);
    }
    return before;
}

// Once bound, only CAP_NET_RAW may bind anew: not more often than the interface changes.
bool gateway_probe::choose(const std::string& interface, unsigned index) {
    const int fd = socket_.native_handle();
    if (!is_beyond_) {
        return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                          static_cast<socklen_t>(interface.size() + 1)) == 0;
    }
    const std::uint32_t wanted = htonl(index);
    return setsockopt(fd, is_v4_ ? int{IPPROTO_IP} : int{IPPROTO_IPV6},
                      is_v4_ ? IP_UNICAST_IF : IPV6_UNICAST_IF, &wanted, sizeof wanted) == 0;
}

bool gateway_probe::send(const std::string& interface) {
    const int fd = socket_.native_handle();
    const auto index = if_nametoindex(interface.c_str());
    if (index == 0) {
        return false;
    }
    if (index != chosen_index_) {
        if (!choose(interface, index)) {
            return false;
        }
        chosen_index_ = index;
    }
    question bytes{question_type(is_v4_)};
    std::memcpy(bytes.data() + header_bytes, &nonce_, sizeof nonce_);
    if (is_v4_) {
        put_checksum(bytes);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        std::memcpy(&to.sin_addr, target_.bytes.data(), 4);
        return sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                      sizeof to) > 0;
    }
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, target_.bytes.data(), 16);
    to.sin6_scope_id = target_.is_link_local() ? index : 0;
    return sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                  sizeof to) > 0;
}

void gateway_probe::wait_for_answer() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (!error) {
                               read_answers();
                               wait_for_answer();
                           }
                       });
}

void gateway_probe::read_answers() {
    std::array<std::uint8_t, 2048> buffer;
    while (true) {
        const auto size = recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
        if (size < 0) {
            return;
        }
        std::span<const std::uint8_t> bytes(buffer.data(), static_cast<std::size_t>(size));
        if (is_raw_ && is_v4_ && !bytes.empty()) {
            const auto ip_bytes = std::size_t{bytes[0]} % 16 * 4;
            bytes = bytes.subspan(std::min(ip_bytes, bytes.size()));
        }
        // The nonce proves that it answers our question; another host cannot guess it.
        if (bytes.size() >= question().size() && bytes[0] == answer_type(is_v4_) &&
            std::memcmp(bytes.data() + header_bytes, &nonce_, sizeof nonce_) == 0) {
            answered_ = true;
        }
    }
}

}  // namespace diskhb::daemon
