// SPDX-License-Identifier: BSD-3-Clause
// Building and reading netlink messages over libmnl, for the two files that implement netlink.hpp.
// Pure; any thread.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "plugin/corosync/ip_address.hpp"

namespace diskhb::daemon::netlink_message {

using corosync::ip_address;

inline constexpr std::size_t attributes_max = 128;

// A request under construction.
class request {
  public:
    request(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_)) {
        header_->nlmsg_type = type;
        header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    }
    template <class Header>
    Header& fixed() {
        return *static_cast<Header*>(mnl_nlmsg_put_extra_header(header_, sizeof(Header)));
    }
    void put(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(header_, type, value); }
    void put(std::uint16_t type, const std::string& text) {
        mnl_attr_put_strz(header_, type, text.c_str());
    }
    void put(std::uint16_t type, const void* bytes, std::size_t size) {
        mnl_attr_put(header_, type, size, bytes);
    }
    void put(std::uint16_t type, const ip_address& address) {
        put(type, address.bytes.data(), address.size_bytes());
    }
    nlmsghdr& header() { return *header_; }

  private:
    alignas(nlmsghdr) char buffer_[1024];
    nlmsghdr* header_;
};

// The attributes behind a fixed header, by type. Pointers into the message.
struct attribute_table {
    std::array<const nlattr*, attributes_max> by_type{};

    static int collect(const nlattr* attribute, void* self) {
        const auto type = mnl_attr_get_type(attribute);
        if (type < attributes_max) {
            static_cast<attribute_table*>(self)->by_type[type] = attribute;
        }
        return MNL_CB_OK;
    }
    template <class Header>
    static attribute_table of(const nlmsghdr& message) {
        attribute_table table;
        mnl_attr_parse(&message, sizeof(Header), &attribute_table::collect, &table);
        return table;
    }
    std::uint32_t number(std::size_t type) const {
        const auto* attribute = by_type[type];
        return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= 4
                   ? mnl_attr_get_u32(attribute)
                   : 0;
    }
    std::string text(std::size_t type) const {
        const auto* attribute = by_type[type];
        if (attribute == nullptr) {
            return {};
        }
        const auto* first = static_cast<const char*>(mnl_attr_get_payload(attribute));
        return {first, strnlen(first, mnl_attr_get_payload_len(attribute))};
    }
    std::optional<ip_address> address(std::size_t type) const {
        const auto* attribute = by_type[type];
        if (attribute == nullptr) {
            return std::nullopt;
        }
        const auto found = corosync::make_ip_address(
            {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
             mnl_attr_get_payload_len(attribute)});
        return found.family == corosync::ip_family::none ? std::nullopt : std::optional(found);
    }
};

template <class Header>
const Header& fixed_part(const nlmsghdr& message) {
    return *static_cast<const Header*>(mnl_nlmsg_get_payload(&message));
}

inline std::uint8_t family_of(const ip_address& address) {
    return address.family == corosync::ip_family::v4 ? AF_INET : AF_INET6;
}

}  // namespace diskhb::daemon::netlink_message
