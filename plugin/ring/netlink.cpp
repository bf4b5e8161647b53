// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/netlink.hpp"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

#include "plugin/ring/netlink_message.hpp"

namespace diskhb::daemon {

using namespace netlink_message;

namespace {

constexpr std::size_t message_bytes_max = 16384;
constexpr timeval answer_timeout{2, 0};

int run_handler(const nlmsghdr* message, void* handler) {
    (*static_cast<const std::function<void(const nlmsghdr&)>*>(handler))(*message);
    return MNL_CB_OK;
}

void fill_route(request& message, const host_route& route) {
    auto& fixed = message.fixed<rtmsg>();
    fixed.rtm_family = family_of(route.destination);
    fixed.rtm_dst_len = route.destination.host_prefix_bits();
    fixed.rtm_table = RT_TABLE_MAIN;
    fixed.rtm_protocol = route_protocol;
    fixed.rtm_type = route.guard ? RTN_UNREACHABLE : RTN_UNICAST;
    const bool link_scope = !route.guard && fixed.rtm_family == AF_INET;
    fixed.rtm_scope = link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message.put(RTA_DST, route.destination);
    if (route.guard) {
        message.put(RTA_PRIORITY, guard_metric);
    } else {
        message.put(RTA_OIF, static_cast<std::uint32_t>(route.interface_index));
    }
}

}  // namespace

netlink::netlink() : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
    if (socket_ == nullptr || mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) {
        const auto reason = std::strerror(errno);
        if (socket_ != nullptr) {
            mnl_socket_close(socket_);
        }
        throw setup_error(exit_failed, fmt::format("cannot open a netlink socket: {}", reason));
    }
    // Let the kernel filter dumps; where it cannot, the handlers do.
    int on = 1;
    (void)mnl_socket_setsockopt(socket_, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    (void)setsockopt(mnl_socket_get_fd(socket_), SOL_SOCKET, SO_RCVTIMEO, &answer_timeout,
                     sizeof answer_timeout);
}

netlink::~netlink() { mnl_socket_close(socket_); }

int netlink::talk(nlmsghdr& message, const message_handler& handler) {
    const bool dump = (message.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!dump) {
        message.nlmsg_flags |= NLM_F_ACK;
    }
    message.nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_, &message, message.nlmsg_len) < 0) {
        return errno;
    }
    alignas(nlmsghdr) char buffer[message_bytes_max];
    auto* context = const_cast<message_handler*>(&handler);
    while (true) {
        const auto size = mnl_socket_recvfrom(socket_, buffer, sizeof buffer);
        if (size < 0) {
            return errno == EAGAIN ? ETIMEDOUT : errno;
        }
        const auto port = mnl_socket_get_portid(socket_);
        const int state = mnl_cb_run(buffer, static_cast<std::size_t>(size), sequence_, port,
                                     &run_handler, context);
        if (state < 0) {
            // An answer to a request that timed out earlier is skipped, not mistaken for ours.
            if (errno == ESRCH || errno == EPROTO) {
                const auto* first = reinterpret_cast<const nlmsghdr*>(buffer);
                if (first->nlmsg_seq != sequence_) {
                    continue;
                }
            }
            return errno;
        }
        if (state == MNL_CB_STOP) {
            return 0;
        }
    }
}

int netlink::find_link(const std::string& name, link_info& found) {
    request message(RTM_GETLINK, 0);
    message.fixed<ifinfomsg>().ifi_family = AF_UNSPEC;
    message.put(IFLA_IFNAME, name);
    return talk(message.header(), [&](const nlmsghdr& answer) {
        const auto& fixed = fixed_part<ifinfomsg>(answer);
        const auto attributes = attribute_table::of<ifinfomsg>(answer);
        link_info link;
        link.index = fixed.ifi_index;
        link.up = (fixed.ifi_flags & IFF_UP) != 0;
        link.mtu_bytes = attributes.number(IFLA_MTU);
        link.queue_packets = attributes.number(IFLA_TXQLEN);
        if (const auto* nested = attributes.by_type[IFLA_LINKINFO]; nested != nullptr) {
            attribute_table inner;
            mnl_attr_parse_nested(nested, &attribute_table::collect, &inner);
            link.kind = inner.text(IFLA_INFO_KIND);
        }
        found = link;
    });
}

int netlink::set_link(int index, const link_settings& settings) {
    request message(RTM_NEWLINK, 0);
    auto& fixed = message.fixed<ifinfomsg>();
    fixed.ifi_family = AF_UNSPEC;
    fixed.ifi_index = index;
    if (settings.up) {
        fixed.ifi_change = IFF_UP;
        fixed.ifi_flags = *settings.up ? unsigned{IFF_UP} : 0U;
    }
    if (settings.mtu_bytes) {
        message.put(IFLA_MTU, *settings.mtu_bytes);
    }
    if (settings.queue_packets) {
        message.put(IFLA_TXQLEN, *settings.queue_packets);
    }
    return talk(message.header(), [](const nlmsghdr&) {});
}

int netlink::disable_address_generation(int index) {
    request message(RTM_NEWLINK, 0);
    auto& fixed = message.fixed<ifinfomsg>();
    fixed.ifi_family = AF_UNSPEC;
    fixed.ifi_index = index;
    auto* outer = mnl_attr_nest_start(&message.header(), IFLA_AF_SPEC);
    auto* inner = mnl_attr_nest_start(&message.header(), AF_INET6);
    mnl_attr_put_u8(&message.header(), IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(&message.header(), inner);
    mnl_attr_nest_end(&message.header(), outer);
    return talk(message.header(), [](const nlmsghdr&) {});
}

std::vector<ip_address> netlink::addresses(int index) {
    request message(RTM_GETADDR, NLM_F_DUMP);
    message.fixed<ifaddrmsg>().ifa_index = static_cast<std::uint32_t>(index);
    std::vector<ip_address> found;
    talk(message.header(), [&](const nlmsghdr& answer) {
        if (answer.nlmsg_type != RTM_NEWADDR ||
            fixed_part<ifaddrmsg>(answer).ifa_index != static_cast<std::uint32_t>(index)) {
            return;
        }
        const auto attributes = attribute_table::of<ifaddrmsg>(answer);
        auto address = attributes.address(IFA_LOCAL);
        if (!address) {
            address = attributes.address(IFA_ADDRESS);
        }
        if (address) {
            found.push_back(*address);
        }
    });
    return found;
}

int netlink::add_address(int index, const ip_address& address) {
    request message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& fixed = message.fixed<ifaddrmsg>();
    fixed.ifa_family = family_of(address);
    fixed.ifa_prefixlen = address.host_prefix_bits();
    fixed.ifa_scope = RT_SCOPE_UNIVERSE;
    fixed.ifa_index = static_cast<std::uint32_t>(index);
    message.put(IFA_LOCAL, address);
    message.put(IFA_ADDRESS, address);
    if (fixed.ifa_family == AF_INET6) {
        // Nobody else can have it: usable at once.
        message.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
    }
    return talk(message.header(), [](const nlmsghdr&) {});
}

int netlink::remove_address(int index, const ip_address& address, std::uint8_t prefix_bits) {
    request message(RTM_DELADDR, 0);
    auto& fixed = message.fixed<ifaddrmsg>();
    fixed.ifa_family = family_of(address);
    fixed.ifa_prefixlen = prefix_bits;
    fixed.ifa_index = static_cast<std::uint32_t>(index);
    message.put(IFA_LOCAL, address);
    return talk(message.header(), [](const nlmsghdr&) {});
}

int netlink::add_route(const host_route& route, const ip_address& source, bool replace) {
    const int mode = replace ? NLM_F_REPLACE : NLM_F_EXCL;
    request message(RTM_NEWROUTE, static_cast<std::uint16_t>(NLM_F_CREATE | mode));
    fill_route(message, route);
    if (!route.guard) {
        message.put(RTA_PREFSRC, source);
    }
    return talk(message.header(), [](const nlmsghdr&) {});
}

int netlink::remove_route(const host_route& route) {
    request message(RTM_DELROUTE, 0);
    fill_route(message, route);
    return talk(message.header(), [](const nlmsghdr&) {});
}

std::vector<host_route> netlink::own_routes() {
    std::vector<host_route> found;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        request message(RTM_GETROUTE, NLM_F_DUMP);
        auto& filter = message.fixed<rtmsg>();
        filter.rtm_family = family;
        filter.rtm_protocol = route_protocol;
        talk(message.header(), [&](const nlmsghdr& answer) {
            const auto& fixed = fixed_part<rtmsg>(answer);
            if (answer.nlmsg_type != RTM_NEWROUTE || fixed.rtm_protocol != route_protocol ||
                fixed.rtm_table != RT_TABLE_MAIN) {
                return;
            }
            const auto attributes = attribute_table::of<rtmsg>(answer);
            const auto destination = attributes.address(RTA_DST);
            if (destination && fixed.rtm_dst_len == destination->host_prefix_bits()) {
                found.push_back({*destination, fixed.rtm_type == RTN_UNREACHABLE,
                                 static_cast<int>(attributes.number(RTA_OIF))});
            }
        });
    }
    return found;
}

qdisc_info netlink::root_qdisc(int index) {
    request message(RTM_GETQDISC, NLM_F_DUMP);
    message.fixed<tcmsg>().tcm_family = AF_UNSPEC;
    qdisc_info found;
    talk(message.header(), [&](const nlmsghdr& answer) {
        const auto& fixed = fixed_part<tcmsg>(answer);
        if (answer.nlmsg_type != RTM_NEWQDISC || fixed.tcm_ifindex != index ||
            fixed.tcm_parent != TC_H_ROOT) {
            return;
        }
        const auto attributes = attribute_table::of<tcmsg>(answer);
        found.kind = attributes.text(TCA_KIND);
        const auto* options = attributes.by_type[TCA_OPTIONS];
        if (found.kind == "pfifo" && options != nullptr &&
            mnl_attr_get_payload_len(options) >= sizeof(tc_fifo_qopt)) {
            tc_fifo_qopt fifo{};
            std::memcpy(&fifo, mnl_attr_get_payload(options), sizeof fifo);
            found.limit_packets = fifo.limit;
        }
    });
    return found;
}

int netlink::set_pfifo(int index, std::uint32_t limit_packets) {
    request message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
    auto& fixed = message.fixed<tcmsg>();
    fixed.tcm_family = AF_UNSPEC;
    fixed.tcm_ifindex = index;
    fixed.tcm_parent = TC_H_ROOT;
    message.put(TCA_KIND, std::string("pfifo"));
    const tc_fifo_qopt fifo{limit_packets};
    message.put(TCA_OPTIONS, &fifo, sizeof fifo);
    return talk(message.header(), [](const nlmsghdr&) {});
}

}  // namespace diskhb::daemon
