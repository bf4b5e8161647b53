// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/ring_interface.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace diskhb::daemon {

ring_interface::ring_interface(const ring_config& config, netlink& kernel)
    : config_(config), kernel_(kernel), fd_(open_tun(config.interface)) {
    set_up();
}

void ring_interface::set_up() {
    link_info link;
    if (const int error = kernel_.find_link(config_.interface, link); error != 0) {
        fail("cannot be found", error);
    }
    index_ = link.index;
    // Refused where the kernel runs without IPv6, and then not needed.
    (void)kernel_.disable_address_generation(index_);
    link_settings settings;
    settings.mtu_bytes = config_.mtu_bytes;
    settings.queue_packets = config_.queue_packets;
    settings.up = true;
    if (const int error = kernel_.set_link(index_, settings); error != 0) {
        fail(fmt::format("cannot be set to mtu {}, queue {} and up", config_.mtu_bytes,
                         config_.queue_packets),
             error);
    }
    remove_stale_addresses();
    interface_report report;
    check_queue(report);
    check_guards(report);
    check_addresses(report);
    if (!report.errors.empty()) {
        throw setup_error(exit_failed, report.errors.front());
    }
    if (report.qdisc.empty() || report.qdisc == "noqueue") {
        throw setup_error(exit_failed,
                          fmt::format("interface {}: the kernel gives it no queue discipline "
                                      "(pfifo); without one a full ring would stop Corosync",
                                      config_.interface));
    }
}

void ring_interface::remove_stale_addresses() {
    for (const auto& address : kernel_.addresses(index_)) {
        if (address != config_.address) {
            (void)kernel_.remove_address(index_, address, address.host_prefix_bits());
        }
    }
}

void ring_interface::check_queue(interface_report& report) {
    auto found = kernel_.root_qdisc(index_);
    if (found.kind != "pfifo" || found.limit_packets != config_.queue_packets) {
        const auto before = found.kind.empty() ? std::string("none") : found.kind;
        if (const int error = kernel_.set_pfifo(index_, config_.queue_packets); error != 0) {
            report.errors.push_back(
                fmt::format("interface {}: queue discipline is {} and cannot be set to pfifo: {}",
                            config_.interface, before, std::strerror(error)));
        } else {
            report.repairs.push_back(
                fmt::format("interface {}: queue discipline was {}, set to pfifo of {} packets",
                            config_.interface, before, config_.queue_packets));
        }
        found = kernel_.root_qdisc(index_);
    }
    report.qdisc = found.kind;
}

void ring_interface::check_guards(interface_report& report) {
    for (const auto& peer : config_.peers) {
        const int error = kernel_.add_route({peer.address, true, 0}, config_.address, false);
        const auto text = corosync::to_string(peer.address);
        if (error == 0) {
            report.repairs.push_back(fmt::format("unreachable route behind {} was missing", text));
        } else if (error != EEXIST) {
            report.errors.push_back(fmt::format("unreachable route behind {} cannot be set: {}",
                                                text, std::strerror(error)));
        }
    }
}

void ring_interface::check_addresses(interface_report& report) {
    const auto own = corosync::to_string(config_.address);
    if (const int error = kernel_.add_address(index_, config_.address); error == 0) {
        report.repairs.push_back(
            fmt::format("interface {}: address {} was missing", config_.interface, own));
    } else if (error != EEXIST) {
        report.errors.push_back(fmt::format("interface {}: address {} cannot be set: {}",
                                            config_.interface, own, std::strerror(error)));
    }
    const auto routes = kernel_.own_routes();
    for (const auto& peer : config_.peers) {
        const bool there = std::any_of(routes.begin(), routes.end(), [&](const host_route& route) {
            return !route.guard && route.interface_index == index_ &&
                   route.destination == peer.address;
        });
        if (there) {
            continue;
        }
        const auto text = corosync::to_string(peer.address);
        if (const int error =
                kernel_.add_route({peer.address, false, index_}, config_.address, true);
            error == 0) {
            report.repairs.push_back(
                fmt::format("interface {}: route to {} was missing", config_.interface, text));
        } else {
            report.errors.push_back(fmt::format("interface {}: route to {} cannot be set: {}",
                                                config_.interface, text, std::strerror(error)));
        }
    }
}

void ring_interface::replace_device() {
    auto fresh = open_tun(config_.interface);
    if (dup3(fresh.get(), fd_.get(), O_CLOEXEC) < 0) {
        fail("cannot be put in the place of the old one", errno);
    }
    set_up();
}

interface_report ring_interface::check() {
    interface_report report;
    link_info link;
    const int error = kernel_.find_link(config_.interface, link);
    if (error == ENODEV || (error == 0 && link.index != index_)) {
        try {
            replace_device();
            report.repairs.push_back(
                fmt::format("interface {} had vanished and was made again", config_.interface));
            report.up = true;
            report.qdisc = kernel_.root_qdisc(index_).kind;
        } catch (const setup_error& failure) {
            report.errors.emplace_back(failure.what());
        }
        return report;
    }
    if (error != 0) {
        report.errors.push_back(fmt::format("interface {}: cannot be asked for: {}",
                                            config_.interface, std::strerror(error)));
        return report;
    }
    report.up = link.up;
    check_guards(report);
    check_queue(report);
    if (!link.up) {
        return report;
    }
    check_addresses(report);
    if (link.mtu_bytes != config_.mtu_bytes || link.queue_packets != config_.queue_packets) {
        link_settings settings;
        settings.mtu_bytes = config_.mtu_bytes;
        settings.queue_packets = config_.queue_packets;
        if (kernel_.set_link(index_, settings) == 0) {
            report.repairs.push_back(fmt::format(
                "interface {}: mtu {} and queue {} set back to {} and {}", config_.interface,
                link.mtu_bytes, link.queue_packets, config_.mtu_bytes, config_.queue_packets));
        }
    }
    return report;
}

void ring_interface::release() noexcept {
    const owned_fd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (nowhere) {
        (void)dup3(nowhere.get(), fd_.get(), O_CLOEXEC);
    }
}

void ring_interface::fail(const std::string& what, int error) const {
    throw setup_error(
        error == EPERM ? exit_permission : exit_failed,
        fmt::format("interface {} {}: {}", config_.interface, what, std::strerror(error)));
}

void remove_stale_routes(const daemon_config& config, netlink& kernel) {
    const auto wanted = [&](const host_route& route) {
        return std::any_of(config.rings.begin(), config.rings.end(), [&](const ring_config& ring) {
            return std::any_of(ring.peers.begin(), ring.peers.end(), [&](const ring_peer& peer) {
                return peer.address == route.destination;
            });
        });
    };
    for (const auto& route : kernel.own_routes()) {
        if (!wanted(route)) {
            (void)kernel.remove_route(route);
        }
    }
}

}  // namespace diskhb::daemon
