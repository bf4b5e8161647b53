// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/network_cut.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <charconv>
#include <fstream>
#include <utility>

#include "plugin/watch/cut_guard.hpp"

namespace diskhb::watch {

namespace asio = boost::asio;

namespace {

constexpr const char* table = "inet diskhb_drill";

// The pairs of one family as elements of its set, each with its time.
std::string elements_of(const std::vector<knet_path>& paths, bool is_v6,
                        std::chrono::milliseconds hold) {
    std::vector<std::string> elements;
    for (const auto& path : paths) {
        const bool is_of_v6 = path.peer_address.find(':') != std::string::npos;
        if (is_of_v6 == is_v6) {
            elements.push_back(fmt::format("{} . {} . {} timeout {}ms", path.peer_address,
                                           path.local_address, path.port, hold.count()));
        }
    }
    std::sort(elements.begin(), elements.end());
    elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    return fmt::format("{}", fmt::join(elements, ", "));
}

// CAP_NET_ADMIN is effective (proc(5), /proc/PID/status).
bool may_change_network() {
    constexpr unsigned cap_net_admin = 12;
    std::ifstream file("/proc/self/status");
    for (std::string word; file >> word;) {
        if (word == "CapEff:") {
            std::uint64_t effective = 0;
            file >> std::hex >> effective;
            return (effective >> cap_net_admin & 1) != 0;
        }
    }
    return false;
}

// Both of a pair must be numeric addresses of one family: nothing else goes into the script.
bool is_usable(const knet_path& path) {
    const auto local = corosync::parse_ip_address(path.local_address);
    const auto peer = corosync::parse_ip_address(path.peer_address);
    return local && peer && path.port != 0 &&
           (path.local_address.find(':') == std::string::npos) ==
               (path.peer_address.find(':') == std::string::npos);
}

}  // namespace

std::vector<knet_path> network_paths(const corosync::link_report& report,
                                     const corosync::corosync_conf& conf,
                                     const std::vector<unsigned>& ring_links) {
    std::vector<knet_path> paths;
    for (const auto& node : report.others) {
        for (unsigned link = 0; link < node.links.size(); ++link) {
            if (!node.links[link].enabled ||
                std::find(ring_links.begin(), ring_links.end(), link) != ring_links.end()) {
                continue;
            }
            const knet_path path{node.links[link].local_address, node.links[link].peer_address,
                                 conf.links[link].port};
            if (is_usable(path)) {
                paths.push_back(path);
            }
        }
    }
    return paths;
}

std::string cut_script(const std::vector<knet_path>& paths, std::chrono::milliseconds hold) {
    std::string script = fmt::format("add table {0}\ndelete table {0}\nadd table {0}\n", table);
    for (const bool is_v6 : {false, true}) {
        const auto name = is_v6 ? "pairs6" : "pairs4";
        const auto elements = elements_of(paths, is_v6, hold);
        script += fmt::format(
            "add set {} {} {{ type {} . {} . inet_service; flags timeout; timeout {}ms; }}\n",
            table, name, is_v6 ? "ipv6_addr" : "ipv4_addr", is_v6 ? "ipv6_addr" : "ipv4_addr",
            hold.count());
        if (!elements.empty()) {
            script += fmt::format("add element {} {} {{ {} }}\n", table, name, elements);
        }
    }
    for (const std::string hook : {"input", "output"}) {
        const bool is_input = hook == "input";
        const auto peer = is_input ? "saddr" : "daddr";
        const auto local = is_input ? "daddr" : "saddr";
        script += fmt::format(
            "add chain {0} {1} {{ type filter hook {1} priority -300; policy accept; }}\n"
            "add rule {0} {1} ip {2} . ip {3} . udp dport @pairs4 counter drop\n"
            "add rule {0} {1} ip6 {2} . ip6 {3} . udp dport @pairs6 counter drop\n",
            table, hook, peer, local);
    }
    return script;
}

std::string why_not_able_to_cut() {
    if (!may_change_network()) {
        return "it has not the right to (CAP_NET_ADMIN)";
    }
    return nft_program().empty() ? "nft (package nftables) is not installed" : "";
}

network_cut::network_cut(asio::io_context& loop, std::vector<std::string> guard, handlers call)
    : loop_(loop),
      guard_(std::move(guard)),
      handlers_(std::move(call)),
      said_(loop_),
      rope_(loop_),
      life_(std::make_shared<int>()) {}

network_cut::~network_cut() { release(); }

void network_cut::cut(const std::vector<knet_path>& paths, std::chrono::milliseconds hold) {
    auto words = guard_;
    words.push_back(std::to_string(std::min(hold, hold_max).count()));
    for (const auto& path : paths) {
        words.insert(words.end(),
                     {path.local_address, path.peer_address, std::to_string(path.port)});
    }
    guard_process started;
    if (const auto problem = started.start(words); !problem.empty()) {
        handlers_.on_cut(problem, std::chrono::steady_clock::now());
        return;
    }
    pid_ = started.pid;
    said_.assign(started.stdout_fd);
    rope_.assign(started.stdin_fd);
    read();
}

void network_cut::release() {
    boost::system::error_code ignored;
    rope_.close(ignored);
}

void network_cut::read() {
    said_.async_read_some(asio::buffer(buffer_),
                          [this, life = std::weak_ptr<int>(life_)](
                              const boost::system::error_code& error, std::size_t bytes) {
                              if (life.expired()) {
                                  return;
                              }
                              if (!error) {
                                  take(bytes);
                                  read();
                                  return;
                              }
                              // The guard has ended; it is our child, and nobody else waits for it.
                              (void)waitpid(std::exchange(pid_, 0), nullptr, 0);
                              if (!has_cut_) {
                                  handlers_.on_cut("the guard of the cut has ended: " + words_,
                                                   std::chrono::steady_clock::now());
                              } else if (!is_back_) {
                                  handlers_.on_back(false);
                              }
                          });
}

void network_cut::take(std::size_t bytes) {
    words_.append(buffer_.data(), bytes);
    for (auto end = words_.find('\n'); end != std::string::npos; end = words_.find('\n')) {
        const auto line = words_.substr(0, end);
        words_.erase(0, end + 1);
        if (line.starts_with("cut ")) {
            has_cut_ = true;
            std::int64_t began_ns = 0;
            (void)std::from_chars(line.data() + 4, line.data() + line.size(), began_ns);
            handlers_.on_cut("", corosync::steady_time(std::chrono::nanoseconds(began_ns)));
        } else if (line == "back") {
            is_back_ = true;
            handlers_.on_back(true);
        } else if (!has_cut_) {
            words_ = line;  // said when the guard ends, which it does now
            return;
        }
    }
}

}  // namespace diskhb::watch
