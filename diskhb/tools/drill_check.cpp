// SPDX-License-Identifier: BSD-3-Clause
#include "tools/drill_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/text.hpp"

namespace diskhb::tools {

namespace {

constexpr std::uint32_t knet_tick_ms = 200;  // libknet/internals.h, KNET_THREADS_TIMERES
constexpr std::uint32_t margin_ms = 500;

class checker {
  public:
    explicit checker(const drill_facts& facts) : facts_(facts) {}

    std::vector<drill_check> make() {
        check_quorum();
        check_answers();
        check_ways("network", &corosync::node_view::on_network,
                   "the network is not whole: there is nothing to rehearse");
        check_ways("ring", &corosync::node_view::on_ring,
                   "Corosync has no connection over the ring: diskhb status says more");
        check_rings();
        check_heard();
        check_timers();
        check_setup_findings();
        check_pacemaker();
        check_cutters();
        return std::move(checks_);
    }

  private:
    void add(const char* what, bool is_good, const std::string& text) {
        checks_.push_back({what, is_good, printable(text)});
    }
    std::string name(std::uint32_t node_id) const {
        return watch::name_of_node(node_id, facts_.names);
    }

    void check_quorum() {
        const auto& state = facts_.state;
        std::vector<std::string> wrong;
        if (state.corosync != corosync::corosync_state::running) {
            wrong.push_back(fmt::format("Corosync is {}", corosync::name_of(state.corosync)));
        } else if (!state.is_quorate) {
            wrong.push_back("this node is not quorate");
        }
        for (const auto& node : facts_.conf.nodes) {
            if (!std::binary_search(state.members.begin(), state.members.end(), node.node_id)) {
                wrong.push_back(fmt::format("{} is not in the membership", name(node.node_id)));
            }
        }
        for (const auto& [node_id, view] : facts_.views) {
            if (!view.is_quorate || view.members != state.members) {
                wrong.push_back(fmt::format("{} says it is {}, with {}", name(node_id),
                                            view.is_quorate ? "quorate" : "not quorate",
                                            watch::names_of_nodes(view.members, facts_.names)));
            }
        }
        add("quorum", wrong.empty(),
            wrong.empty() ? "quorate, all nodes are members: " +
                                watch::names_of_nodes(state.members, facts_.names)
                          : fmt::format("{}", fmt::join(wrong, "; ")));
    }

    void check_answers() {
        std::vector<std::string> silent;
        for (const auto& node : facts_.conf.nodes) {
            if (facts_.views.count(node.node_id) == 0) {
                silent.push_back(name(node.node_id));
            }
        }
        std::vector<std::string> refusals;
        for (const auto& [node_id, view] : facts_.views) {
            if (!view.refusal.empty()) {
                refusals.push_back(fmt::format("{} {}", name(node_id), view.refusal));
            }
        }
        if (!silent.empty()) {
            add("answers", false,
                fmt::format("no answer from {}: start diskhb-watch there (systemctl enable --now "
                            "diskhb-watch, or diskhb watch --serve)",
                            fmt::join(silent, ", ")));
        } else if (!refusals.empty()) {
            add("answers", false, fmt::format("{}", fmt::join(refusals, "; ")));
        } else {
            add("answers", true, fmt::format("all {} nodes", facts_.views.size()));
        }
    }

    void check_ways(const char* what, bool corosync::node_view::*is_up, const char* advice) {
        std::vector<std::string> wrong;
        for (const auto& [node_id, view] : facts_.views) {
            for (const auto& other : view.others) {
                if (!(other.*is_up)) {
                    wrong.push_back(fmt::format("{} to {}", name(node_id), name(other.node_id)));
                }
            }
        }
        add(what, wrong.empty(),
            wrong.empty() ? fmt::format("every node reaches every other one over the {}", what)
                          : fmt::format("not connected: {}; {}", fmt::join(wrong, ", "), advice));
    }

    void check_rings() {
        std::vector<std::string> wrong;
        std::uint32_t slowest_us = 0;
        const auto limit_us = facts_.limits.hop_max_ms * 1000;
        for (const auto& [node_id, view] : facts_.views) {
            for (const auto& ring : view.rings) {
                slowest_us = std::max(slowest_us, ring.round_trip_us);
                if (!ring.works) {
                    wrong.push_back(fmt::format("{}: {}", name(node_id), ring.problem));
                } else if (ring.round_trip_us / 2 > limit_us) {
                    wrong.push_back(
                        fmt::format("{}: ring {} is too slow: a round trip takes {:.0f} ms, more "
                                    "than twice {} ms",
                                    name(node_id), ring.interface, ring.round_trip_us / 1000.0,
                                    facts_.limits.hop_max_ms));
                }
            }
        }
        add("rings", wrong.empty(),
            wrong.empty()
                ? fmt::format("all work; a round trip takes {:.1f} ms at most", slowest_us / 1000.0)
                : fmt::format("{}", fmt::join(wrong, "; ")));
    }

    void check_heard() {
        std::vector<std::string> wrong;
        for (const auto& [node_id, view] : facts_.views) {
            for (const auto& node : facts_.conf.nodes) {
                const bool is_heard = std::find(view.heard.begin(), view.heard.end(),
                                                node.node_id) != view.heard.end();
                if (node.node_id != node_id && !is_heard) {
                    wrong.push_back(
                        fmt::format("{} does not hear {}", name(node_id), name(node.node_id)));
                }
            }
        }
        add("volume", wrong.empty(),
            wrong.empty() ? "every node hears every other one on it"
                          : fmt::format("{}: is diskhbd running there?", fmt::join(wrong, ", ")));
    }

    void check_timers() {
        const auto& limits = facts_.limits;
        if (limits.leave_room()) {
            add("timers", true,
                fmt::format("a ring that fails would be given up after {} ms, and the network be "
                            "back {} ms later, within the token's {} ms",
                            limits.silence_ms, limits.return_ms, limits.token_ms));
        } else {
            add("timers", false,
                fmt::format("if the ring fails in the drill, the network is back after {} + {} ms, "
                            "later than the token's timeout of {} ms: diskhb measure says which "
                            "timers would be better",
                            limits.silence_ms, limits.return_ms, limits.token_ms));
        }
    }

    void check_setup_findings() {
        std::vector<std::string> errors;
        for (const auto& each : facts_.setup) {
            if (each.how_bad == finding::severity::error) {
                errors.push_back(each.text);
            }
        }
        add("set-up", errors.empty(),
            errors.empty() ? "diskhb setup --check finds no error"
                           : fmt::format("{}", fmt::join(errors, "; ")));
    }

    void check_pacemaker() {
        const auto& problem = facts_.pacemaker_problem;
        add("pacemaker", !problem || problem->empty(),
            !problem           ? "does not run here"
            : problem->empty() ? "no failed resources"
                               : *problem + "; clean up first");
    }

    void check_cutters() {
        std::vector<std::string> wrong;
        for (const auto& [node_id, view] : facts_.views) {
            const bool is_cut = facts_.for_all || node_id == facts_.state.local_node_id;
            if (is_cut && !view.cut_refusal.empty()) {
                wrong.push_back(fmt::format("{}: {}", name(node_id), view.cut_refusal));
            }
        }
        add("cut", wrong.empty(),
            wrong.empty() ? fmt::format("{} can take the network away and give it back",
                                        facts_.for_all ? "every node" : "this node")
                          : fmt::format("{}", fmt::join(wrong, "; ")));
    }

    const drill_facts& facts_;
    std::vector<drill_check> checks_;
};

}  // namespace

drill_limits limits_of(const corosync::corosync_conf& conf,
                       const std::vector<unsigned>& ring_links) {
    drill_limits limits;
    limits.token_ms = conf.totem.token_ms;
    for (unsigned link = 0; link < conf.links.size(); ++link) {
        const auto& timers = conf.links[link];
        const bool is_ring =
            std::find(ring_links.begin(), ring_links.end(), link) != ring_links.end();
        if (timers.configured && !is_ring) {
            limits.detection_ms =
                std::max(limits.detection_ms, timers.ping_timeout_ms + knet_tick_ms);
            limits.return_ms = std::max(
                limits.return_ms, (timers.pong_count + 1) * timers.ping_interval_ms + knet_tick_ms);
        }
    }
    // What was lost meanwhile is asked for again when the token goes round.
    limits.silence_ms = limits.detection_ms + conf.totem.token_retransmit_ms + margin_ms;
    limits.return_ms += conf.totem.token_retransmit_ms;
    // A token that goes round three times within its timeout is not lost for one late hop; a
    // message waits for its round.
    const auto nodes = std::max<std::size_t>(conf.nodes.size(), 2);
    limits.hop_max_ms = limits.token_ms / static_cast<std::uint32_t>(3 * nodes);
    limits.latency_max_ms = limits.token_ms / 3;
    return limits;
}

std::vector<drill_check> check_drill(const drill_facts& facts) { return checker(facts).make(); }

bool is_safe(const std::vector<drill_check>& checks) noexcept {
    return std::all_of(checks.begin(), checks.end(), [](const auto& each) { return each.is_good; });
}

}  // namespace diskhb::tools
