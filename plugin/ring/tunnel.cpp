// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/tunnel.hpp"

#include <unistd.h>

#include <utility>

namespace diskhb::daemon {

namespace {

constexpr std::array<const char*, tunnel_counter_count> counter_names = {
#define DISKHB_TUNNEL_COUNTER_NAME(name, help) #name,
    DISKHB_TUNNEL_COUNTERS(DISKHB_TUNNEL_COUNTER_NAME)
#undef DISKHB_TUNNEL_COUNTER_NAME
};

tunnel_counter counter_of(outbound_fault fault) noexcept {
    switch (fault) {
        case outbound_fault::foreign_source:
            return tunnel_counter::dropped_foreign_source;
        case outbound_fault::multicast:
            return tunnel_counter::dropped_multicast;
        case outbound_fault::unknown_destination:
            return tunnel_counter::dropped_unknown_destination;
        case outbound_fault::malformed:
        case outbound_fault::none:
            break;
    }
    return tunnel_counter::dropped_malformed;
}

tunnel_counter counter_of(inbound_fault fault) noexcept {
    switch (fault) {
        case inbound_fault::unknown_node:
            return tunnel_counter::refused_unknown_node;
        case inbound_fault::foreign_source:
            return tunnel_counter::refused_foreign_source;
        case inbound_fault::foreign_destination:
            return tunnel_counter::refused_foreign_destination;
        case inbound_fault::malformed:
        case inbound_fault::none:
            break;
    }
    return tunnel_counter::refused_malformed;
}

tunnel_counter counter_of(packet_type type) noexcept {
    switch (type) {
        case packet_type::control:
            return tunnel_counter::packets_control;
        case packet_type::cluster:
            return tunnel_counter::packets_cluster;
        case packet_type::bulk:
        case packet_type::routed:
            break;
    }
    return tunnel_counter::packets_bulk;
}

}  // namespace

const char* tunnel_counter_name(tunnel_counter which) noexcept {
    return counter_names[static_cast<std::size_t>(which)];
}

tunnel::tunnel(std::string interface, int fd, address_table addresses, const knet_traits& knet)
    : fd_(fd), addresses_(std::move(addresses)), knet_(knet), reader_(std::move(interface), fd) {}

tunnel::~tunnel() { stop(); }

void tunnel::start(submit_function submit) {
    submit_ = std::move(submit);
    reader_.start({[this](std::span<const std::byte> packet) { handle(packet); },
                   [this] { count(tunnel_counter::read_errors); }});
}

void tunnel::stop() { reader_.stop(); }

void tunnel::handle(std::span<const std::byte> packet) noexcept {
    count(tunnel_counter::packets_read);
    count(tunnel_counter::bytes_read, packet.size());
    const auto decision = decide_outbound(packet, addresses_, knet_);
    if (decision.fault != outbound_fault::none) {
        count(counter_of(decision.fault));
        return;
    }
    const auto error = submit_(decision.node_id, decision.type, packet);
    count(error ? tunnel_counter::dropped_by_engine : counter_of(decision.type));
}

void tunnel::deliver(std::uint32_t from, std::span<const std::byte> packet) noexcept {
    const auto fault = decide_inbound(from, packet, addresses_);
    if (fault != inbound_fault::none) {
        if (!foreign_ || !foreign_(from, packet)) {
            count(counter_of(fault));
        }
        return;
    }
    const auto written = write(fd_, packet.data(), packet.size());
    if (written != static_cast<ssize_t>(packet.size())) {
        count(tunnel_counter::write_errors);
        return;
    }
    count(tunnel_counter::packets_written);
    count(tunnel_counter::bytes_written, packet.size());
}

tunnel_statistics tunnel::statistics() const noexcept {
    tunnel_statistics values{};
    for (std::size_t index = 0; index < tunnel_counter_count; ++index) {
        values[index] = counters_[index].load(std::memory_order_relaxed);
    }
    return values;
}

// One writer a counter: a plain addition, no locked instruction.
void tunnel::count(tunnel_counter which, std::uint64_t amount) noexcept {
    auto& counter = counters_[static_cast<std::size_t>(which)];
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace diskhb::daemon
