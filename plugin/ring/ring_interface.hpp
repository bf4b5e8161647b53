// SPDX-License-Identifier: BSD-3-Clause
// The network interface of one ring as the host sees it: a persistent TUN with our address, a host
// route to each peer, a guard behind each route, and a queue discipline that drops. Set up once,
// then looked at again and again and repaired, because other software meddles with interfaces.
// Main thread only; the descriptor is used by others, see fd().
//
// Why a guard: with the link down but the address still there, packets for the peers would leave
// by the default route; an unreachable route of the worst metric catches them, and knet sees
// EHOSTUNREACH (libknet, transport_udp.c). Why pfifo: without a queue discipline a full TUN
// reports ENOBUFS, on which knet's threads retry for ever, on all links. The interface and the
// guards stay when the daemon ends.
#pragma once

#include <string>
#include <vector>

#include "plugin/ring/config.hpp"
#include "plugin/ring/netlink.hpp"
#include "plugin/ring/tun_device.hpp"

namespace diskhb::daemon {

// What a look at the interface found, and what was put right; one line each.
struct interface_report {
    bool up = false;
    std::string qdisc;
    std::vector<std::string> repairs;
    std::vector<std::string> errors;
};

class ring_interface {
  public:
    // `config` and `kernel` outlive the interface. Throws setup_error.
    ring_interface(const ring_config& config, netlink& kernel);

    // Never changes its number: if the interface vanishes and is made again, the new descriptor
    // takes the place of the old one in one step, under whoever reads or writes it.
    int fd() const noexcept { return fd_.get(); }

    // An interface that somebody set down stays down; everything else is repaired.
    interface_report check();

    // Lets go of the TUN, for good: fd() is valid still, but leads nowhere. A thread that hangs in
    // a device keeps the descriptors of its process open; another diskhbd must not wait for it.
    void release() noexcept;

  private:
    void set_up();
    void replace_device();
    void remove_stale_addresses();
    void check_queue(interface_report& report);
    void check_addresses(interface_report& report);
    void check_guards(interface_report& report);
    [[noreturn]] void fail(const std::string& what, int error) const;

    const ring_config& config_;
    netlink& kernel_;
    owned_fd fd_;
    int index_ = 0;
};

// Removes what earlier runs with another configuration left: routes with our mark to addresses
// that no ring of this configuration has. One daemon a network namespace.
void remove_stale_routes(const daemon_config& config, netlink& kernel);

}  // namespace diskhb::daemon
