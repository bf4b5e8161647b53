// SPDX-License-Identifier: BSD-3-Clause
// Takes knet's network away from this node for a while, as a cut cable would, and gives it back
// whatever happens meanwhile. Three things do so, each without the others:
//
// - release(), or the end of the caller, however it ends: a guard process in a session of its own
//   holds a pipe to it, and removes the table when the pipe is closed;
// - the guard's timer;
// - the kernel: the addresses stand in sets whose elements it drops after the time (nft(8),
// "timeout"),
//   also when nobody is left alive to remove the table.
//
// What is dropped: UDP between the addresses and ports of knet's links that are no rings, in a
// table of its own (inet diskhb_drill). Nothing else of the host's firewall or traffic is touched.
// Dropping what is sent makes sendto() fail with EPERM, which knet takes as sent
// (libknet/transport_udp.c); the link goes down by its ping timeout, as with a cut cable.
#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/corosync/interconnect.hpp"
#include "plugin/corosync/link_states.hpp"

namespace diskhb::watch {

// UDP between two nodes on one link, both on the same port.
struct knet_path {
    std::string local_address;
    std::string peer_address;
    std::uint16_t port = 0;
};

// All that knet has to other nodes, but for rings. Addresses that are none are left out.
std::vector<knet_path> network_paths(const corosync::link_report& report,
                                     const corosync::corosync_conf& conf,
                                     const std::vector<unsigned>& ring_links);

// The script for nft -f, in one transaction; a table that was left over is replaced.
std::string cut_script(const std::vector<knet_path>& paths, std::chrono::milliseconds hold);
// Why this process cannot cut: not the right to, no nft. Empty: it can.
std::string why_not_able_to_cut();

inline constexpr std::chrono::milliseconds hold_max{120'000};

// One cut. Runs on the thread of its io_context.
class network_cut {
  public:
    struct handlers {
        // Once: nothing gets through any more since `at`, or a little later; or why not.
        std::function<void(const std::string& problem, corosync::steady_time at)> on_cut;
        // Once, after a cut that took place: the table is gone, or the guard has died; then the
        // kernel gives the network back at the end of the time.
        std::function<void(bool is_clean)> on_back;
    };

    // guard: the program that runs cut_guard_main with the words that are appended to these.
    network_cut(boost::asio::io_context& loop, std::vector<std::string> guard, handlers call);
    // Gives the network back; does not wait.
    ~network_cut();
    network_cut(const network_cut&) = delete;
    network_cut& operator=(const network_cut&) = delete;

    // Once. hold: at most hold_max.
    void cut(const std::vector<knet_path>& paths, std::chrono::milliseconds hold);
    void release();

  private:
    void read();
    void take(std::size_t bytes);

    boost::asio::io_context& loop_;
    std::vector<std::string> guard_;
    handlers handlers_;
    boost::asio::posix::stream_descriptor said_;  // the guard's words
    boost::asio::posix::stream_descriptor rope_;  // closed: give the network back
    std::array<char, 512> buffer_{};
    std::string words_;
    pid_t pid_ = 0;
    bool has_cut_ = false;
    bool is_back_ = false;
    std::shared_ptr<int> life_;  // none: what was under way is for nobody
};

// The guard: cuts, says "cut NS", with the steady clock when it began to, or why it could not, in a
// line on stdout, waits for the end of stdin or
// of the time, gives the network back, says "back". Arguments: hold in ms, then three for each
// path.
int cut_guard_main(const std::vector<std::string>& arguments);

}  // namespace diskhb::watch
