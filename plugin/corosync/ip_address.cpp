// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/ip_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace diskhb::corosync {

bool ip_address::is_multicast() const noexcept {
    if (family == ip_family::v4) {
        return (bytes[0] & 0xf0) == 0xe0 ||
               std::all_of(bytes.begin(), bytes.begin() + 4, [](auto b) { return b == 0xff; });
    }
    return family == ip_family::v6 && bytes[0] == 0xff;
}

bool ip_address::is_loopback() const noexcept {
    if (family == ip_family::v4) {
        return bytes[0] == 127;
    }
    return family == ip_family::v6 && bytes[15] == 1 &&
           std::all_of(bytes.begin(), bytes.begin() + 15, [](auto b) { return b == 0; });
}

bool ip_address::is_link_local() const noexcept {
    if (family == ip_family::v4) {
        return bytes[0] == 169 && bytes[1] == 254;
    }
    return family == ip_family::v6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool ip_address::is_unspecified() const noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](auto b) { return b == 0; });
}

ip_address make_ip_address(std::span<const std::uint8_t> bytes) noexcept {
    ip_address address;
    if (bytes.size() == 4) {
        address.family = ip_family::v4;
    } else if (bytes.size() == 16) {
        address.family = ip_family::v6;
    } else {
        return address;
    }
    std::memcpy(address.bytes.data(), bytes.data(), bytes.size());
    return address;
}

std::optional<ip_address> parse_ip_address(const std::string& text) {
    ip_address address;
    if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) {
        address.family = ip_family::v4;
        return address;
    }
    if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) {
        address.family = ip_family::v6;
        return address;
    }
    return std::nullopt;
}

std::string to_string(const ip_address& address) {
    if (address.family == ip_family::none) {
        return "-";
    }
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(address.family == ip_family::v4 ? AF_INET : AF_INET6, address.bytes.data(), text,
              sizeof text);
    return text;
}

namespace {

std::optional<ip_address> from_socket_address(const sockaddr* address) {
    std::array<std::uint8_t, 16> bytes{};
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::memcpy(bytes.data(), &v4.sin_addr, 4);
        return make_ip_address(std::span(bytes).first(4));
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        std::memcpy(bytes.data(), &v6.sin6_addr, 16);
        return make_ip_address(bytes);
    }
    return std::nullopt;
}

}  // namespace

std::optional<ip_address> resolve(const std::string& text, ip_preference preference) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_protocol = IPPROTO_UDP;
    hints.ai_family = preference == ip_preference::v4_only   ? AF_INET
                      : preference == ip_preference::v6_only ? AF_INET6
                                                             : AF_UNSPEC;
    addrinfo* found = nullptr;
    if (getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0) {
        return std::nullopt;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    std::optional<ip_address> v4;
    std::optional<ip_address> v6;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        const auto address = from_socket_address(entry->ai_addr);
        if (address && address->family == ip_family::v4 && !v4) {
            v4 = address;
        }
        if (address && address->family == ip_family::v6 && !v6) {
            v6 = address;
        }
    }
    const bool v4_wins =
        preference == ip_preference::v4_only || (preference == ip_preference::v4_first && v4);
    return v4_wins || !v6 ? v4 : v6;
}

}  // namespace diskhb::corosync
