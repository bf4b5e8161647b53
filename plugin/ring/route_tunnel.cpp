// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_tunnel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace diskhb::daemon {

namespace {

// What waits in the kernel while the reader is busy. Short: TCP fills any queue that it finds.
constexpr std::uint32_t queue_packets = 1000;
constexpr int reader_niceness = 10;

constexpr std::array<const char*, route_counter_count> counter_names = {
#define DISKHB_ROUTE_COUNTER_NAME(name, help) #name,
    DISKHB_ROUTE_COUNTERS(DISKHB_ROUTE_COUNTER_NAME)
#undef DISKHB_ROUTE_COUNTER_NAME
};

// The counters of what is dropped on the way out and refused on the way in.
struct fault_counters {
    route_counter dropped;
    route_counter refused;
};

fault_counters counters_of(route_fault fault) noexcept {
    switch (fault) {
        case route_fault::local_address:
            return {route_counter::dropped_local_address, route_counter::refused_local_address};
        case route_fault::cluster_address:
            return {route_counter::dropped_cluster_address, route_counter::refused_cluster_address};
        case route_fault::not_configured:
            return {route_counter::dropped_not_configured, route_counter::refused_not_configured};
        case route_fault::no_carrier:
            return {route_counter::dropped_no_carrier, route_counter::refused_not_configured};
        case route_fault::malformed:
        case route_fault::none:
            break;
    }
    return {route_counter::dropped_malformed, route_counter::refused_malformed};
}

}  // namespace

const char* route_counter_name(route_counter which) noexcept {
    return counter_names[static_cast<std::size_t>(which)];
}

route_tunnel::route_tunnel(const ring_config& ring, const route_table& table, netlink& kernel)
    : ring_(ring),
      table_(table),
      kernel_(kernel),
      fd_(open_tun(ring.route_interface, false)),
      reader_(ring.route_interface, fd_.get()) {
    set_up();
}

void route_tunnel::set_up() {
    link_info link;
    int error = kernel_.find_link(interface(), link);
    if (error == 0) {
        index_ = link.index;
        // Refused where the kernel runs without IPv6, and then not needed.
        (void)kernel_.disable_address_generation(index_);
        link_settings settings;
        settings.mtu_bytes = ring_.mtu_bytes;
        settings.queue_packets = queue_packets;
        settings.up = true;
        error = kernel_.set_link(index_, settings);
    }
    if (error == 0) {
        error = kernel_.set_pfifo(index_, queue_packets);
    }
    if (error != 0) {
        throw setup_error(
            error == EPERM ? exit_permission : exit_failed,
            fmt::format("interface {} cannot be set up: {}", interface(), std::strerror(error)));
    }
}

bool route_tunnel::check() {
    link_info link;
    if (kernel_.find_link(interface(), link) == 0 && link.index == index_) {
        return false;
    }
    const auto fresh = open_tun(interface(), false);
    if (dup3(fresh.get(), fd_.get(), O_CLOEXEC) < 0) {
        throw setup_error(exit_failed, fmt::format("interface {} cannot take the place of the old "
                                                   "one: {}",
                                                   interface(), std::strerror(errno)));
    }
    set_up();
    return true;
}

void route_tunnel::start(tunnel::submit_function submit, unread_function unread) {
    submit_ = std::move(submit);
    unread_ = std::move(unread);
    reader_.start({[this](std::span<const std::byte> packet) { handle(packet); },
                   [this] { count(route_counter::read_errors); }},
                  reader_niceness);
}

void route_tunnel::stop() { reader_.stop(); }

void route_tunnel::release() noexcept {
    const owned_fd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (nowhere) {
        (void)dup3(nowhere.get(), fd_.get(), O_CLOEXEC);
    }
}

void route_tunnel::handle(std::span<const std::byte> packet) noexcept {
    count(route_counter::packets_read);
    count(route_counter::bytes_read, packet.size());
    const auto decision = table_.decide_outbound(packet);
    if (decision.fault != route_fault::none) {
        count(counters_of(decision.fault).dropped);
        return;
    }
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    if (!window_.may_send(decision.node_id, now, unread_)) {
        count(route_counter::dropped_unread);
        return;
    }
    const auto error = submit_(decision.node_id, packet_type::routed, packet);
    if (error) {
        count(route_counter::dropped_by_engine);
        return;
    }
    window_.on_sent();
    count(route_counter::packets_sent);
}

void route_tunnel::deliver(std::uint32_t from, std::span<const std::byte> packet) noexcept {
    const auto fault = table_.decide_inbound(from, packet);
    if (fault != route_fault::none) {
        count(counters_of(fault).refused);
        return;
    }
    const auto written = write(fd_.get(), packet.data(), packet.size());
    if (written != static_cast<ssize_t>(packet.size())) {
        count(route_counter::write_errors);
        return;
    }
    count(route_counter::packets_written);
    count(route_counter::bytes_written, packet.size());
}

route_statistics route_tunnel::statistics() const noexcept {
    route_statistics values{};
    for (std::size_t index = 0; index < route_counter_count; ++index) {
        values[index] = counters_[index].load(std::memory_order_relaxed);
    }
    return values;
}

// One writer a counter: a plain addition, no locked instruction.
void route_tunnel::count(route_counter which, std::uint64_t amount) noexcept {
    auto& counter = counters_[static_cast<std::size_t>(which)];
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace diskhb::daemon
