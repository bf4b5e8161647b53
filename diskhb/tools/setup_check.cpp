// SPDX-License-Identifier: BSD-3-Clause
#include "tools/setup_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/corosync/timer_advice.hpp"
#include "tools/reply_text.hpp"
#include "tools/verdict.hpp"

namespace diskhb::tools {

using severity = finding::severity;

namespace {

class checker {
  public:
    explicit checker(const setup_check_input& input) : input_(input) {}

    std::vector<finding> make() {
        check_corosync_conf();
        for (const auto link : input_.ring_links) {
            check_link(link);
        }
        check_quorum_device();
        check_services();
        check_running();
        return found_.take();
    }

  private:
    void add(severity how_bad, const std::string& text) { found_.add(how_bad, text); }

    void check_corosync_conf() {
        const auto& totem = input_.conf.totem;
        const auto& path = input_.conf.path;
        if (totem.transport != "knet") {
            add(severity::error, fmt::format("{}: totem.transport is {}: only knet has more than "
                                             "one link",
                                             path, totem.transport));
        }
        if (totem.link_mode != "passive") {
            add(severity::error, fmt::format("{}: totem.link_mode is {}: beside a ring it must be "
                                             "passive; change it while the cluster is stopped",
                                             path, totem.link_mode));
        }
        if (!totem.encrypted()) {
            add(severity::advice,
                fmt::format("{}: crypto_cipher and crypto_hash are none: whoever can write the "
                            "volume can speak as any node; set aes256 and sha256 while the cluster "
                            "is stopped",
                            path));
        }
        if (input_.ring_links.empty()) {
            add(severity::error,
                "diskhb.toml has no [[ring]]: diskhb setup --pcs or --crm says "
                "how to get one");
        }
    }

    void check_link(unsigned link) {
        const auto& conf = input_.conf;
        if (link >= conf.links.size() || !conf.links[link].configured) {
            add(severity::error,
                fmt::format("{}: there is no link {}, the ring's: give each node a ring{}_addr",
                            conf.path, link, link));
            return;
        }
        bool has_network = false;
        for (unsigned other = 0; other < conf.links.size(); ++other) {
            const bool is_ring =
                std::count(input_.ring_links.begin(), input_.ring_links.end(), other) != 0;
            if (is_ring || !conf.links[other].configured) {
                continue;
            }
            has_network = true;
            const auto ring_priority = conf.links[link].priority;
            const auto priority = conf.links[other].priority;
            if (ring_priority > priority || (ring_priority == priority && link < other)) {
                add(severity::error,
                    fmt::format("{}: the ring (link {}, priority {}) goes before the network (link "
                                "{}, priority {}): give the network the higher knet_link_priority",
                                conf.path, link, ring_priority, other, priority));
            }
        }
        if (!has_network) {
            add(severity::error, fmt::format("{}: there is no link besides the ring", conf.path));
        }
        check_timers(link);
    }

    // With what the volume really takes, if diskhbd knows.
    void check_timers(unsigned link) {
        corosync::ring_times times;
        for (const auto& ring : list_of(input_.status, "rings")) {
            if (number_of(ring, "link") == link) {
                const auto us = [&](const char* key) {
                    return static_cast<std::uint64_t>(number_of(ring, key));
                };
                times.one_way_us_p999 = corosync::one_way_us(
                    us("write_latency_us_p99"), us("read_latency_us_p99"), input_.poll_idle_us);
                times.one_way_us_max = times.one_way_us_p999;
            }
        }
        const auto nodes = std::max<std::size_t>(input_.conf.nodes.size(), 2);
        const auto advised = corosync::advise_timers(times, static_cast<unsigned>(nodes));
        for (const auto& warning : corosync::check_timers(input_.conf, link, times, advised)) {
            if (warning.key == "totem.crypto_cipher") {
                continue;  // said of the file as a whole
            }
            add(warning.how_bad == corosync::timer_warning::severity::unsafe ? severity::error
                                                                             : severity::advice,
                fmt::format("{} = {}: {} {}", warning.key, warning.value, warning.problem,
                            warning.fix));
        }
    }

    void check_quorum_device() {
        const auto model = input_.conf.find("quorum.device.model");
        const bool is_ours = model && *model == "disk";
        if (is_ours && input_.has_pcs && !input_.has_shim) {
            add(severity::advice,
                "pcs is installed, and corosync.conf has a quorum device, but there is no service "
                "corosync-qdevice: pcs cluster start would not start Pacemaker; install "
                "diskhb-qdevice-shim");
        }
        if (is_ours && !input_.is_quorum_enabled) {
            add(severity::error,
                "diskhb-quorumd does not start with Corosync: systemctl enable "
                "diskhb-quorumd");
        }
        if (is_ours) {
            add(severity::note, "for the quorum disk itself see: diskhb quorum check");
        }
    }

    void check_services() {
        if (!input_.is_enabled) {
            add(severity::error, "diskhbd does not start with Corosync: systemctl enable diskhbd");
        }
    }

    void check_running() {
        if (input_.status.is_null()) {
            add(severity::error, input_.status_problem);
        }
        for (const auto& ring : list_of(input_.status, "rings")) {
            if (text_of(ring, "qdisc") == "noqueue") {
                add(severity::error,
                    fmt::format("{}: its queue discipline is noqueue, with which a full ring stops "
                                "all links of Corosync: tc qdisc replace dev {} root pfifo",
                                text_of(ring, "interface"), text_of(ring, "interface")));
            }
        }
        if (!input_.links) {
            add(severity::error, input_.links_problem);
            return;
        }
        if (!input_.status.is_null()) {
            check_reach();
        }
    }

    void check_reach() {
        const auto facts = facts_of(input_.status, *input_.links, "");
        for (const auto& ring : facts.rings) {
            if (!ring.works) {
                add(severity::error, ring.problem);
            }
        }
        for (const auto& peer : facts.peers) {
            const auto who = peer.name.empty() ? fmt::format("node {}", peer.node_id) : peer.name;
            if (peer.on_network && !peer.heard) {
                add(severity::error,
                    fmt::format("{} is there over the network, and not heard over the volume: is "
                                "diskhbd running there, on the same volume?",
                                who));
            } else if (peer.heard && !peer.on_ring) {
                add(severity::error,
                    fmt::format("{} is heard over the volume, and Corosync has no connection over "
                                "the ring: are the addresses of both files the same on all nodes, "
                                "and UDP let through by the firewall?",
                                who));
            } else if (!peer.heard && !peer.on_network) {
                add(severity::note, fmt::format("{} is not reached at all: it may be down", who));
            } else if (peer.heard && !peer.on_network) {
                add(severity::advice, fmt::format("{} is reached over the ring alone", who));
            }
        }
    }

    const setup_check_input& input_;
    finding_list found_;
};

}  // namespace

std::vector<finding> check_setup(const setup_check_input& input) { return checker(input).make(); }

std::string setup_check_text(std::span<const finding> findings) {
    return findings_text(findings, "the cluster will live on its ring when the network goes");
}

}  // namespace diskhb::tools
