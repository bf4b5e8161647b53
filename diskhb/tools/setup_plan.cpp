// SPDX-License-Identifier: BSD-3-Clause
#include "tools/setup_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "diskhb/error.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {

namespace {

using corosync::corosync_conf;
using corosync::ip_address;
using words = std::vector<std::string>;

// Private networks that nobody has by default, for a start (RFC 1918).
constexpr std::array network_candidates = {"10.255.77", "10.254.77", "10.253.77",
                                           "172.31.77", "172.30.77", "192.168.177"};

// "10.255.77" of "10.255.77.3".
std::string stem_of(const ip_address& address) {
    return fmt::format("{}.{}.{}", address.bytes[0], address.bytes[1], address.bytes[2]);
}

bool is_taken(const setup_input& input, const std::string& stem) {
    const auto is_of = [&](const ip_address& address) {
        return address.family == corosync::ip_family::v4 && stem_of(address) == stem;
    };
    for (const auto& node : input.conf.nodes) {
        for (const auto& text : node.ring_address) {
            if (const auto address = corosync::parse_ip_address(text); address && is_of(*address)) {
                return true;
            }
        }
    }
    return std::any_of(input.local_addresses.begin(), input.local_addresses.end(), is_of);
}

std::string choose_network(const setup_input& input) {
    if (!input.network.empty()) {
        const auto slash = input.network.find('/');
        const auto address = corosync::parse_ip_address(input.network.substr(0, slash));
        if (!address || address->family != corosync::ip_family::v4 ||
            input.network.substr(std::min(slash, input.network.size())) != "/24" ||
            address->bytes[3] != 0) {
            throw setup_error(exit_usage, fmt::format("--network {}: must be an IPv4 network with "
                                                      "24 bits, such as 10.255.77.0/24",
                                                      printable(input.network)));
        }
        if (is_taken(input, stem_of(*address))) {
            throw setup_error(exit_usage,
                              fmt::format("--network {}: is used by this host or this cluster; a "
                                          "ring needs one of its own",
                                          printable(input.network)));
        }
        return stem_of(*address);
    }
    for (const auto* const stem : network_candidates) {
        if (!is_taken(input, stem)) {
            return stem;
        }
    }
    throw setup_error(exit_config, "no free network was found; say one with --network");
}

// The first number above all links in use: with equal priorities knet takes the lowest number,
// which then is a network.
unsigned choose_link(const corosync_conf& conf) {
    unsigned link = 0;
    for (unsigned number = 0; number < conf.links.size(); ++number) {
        if (conf.links[number].configured) {
            link = number + 1;
        }
    }
    if (link >= conf.links.size()) {
        throw setup_error(exit_config,
                          fmt::format("{}: all {} links are in use", conf.path, conf.links.size()));
    }
    return link;
}

void refuse_unfit(const corosync_conf& conf) {
    if (conf.totem.transport != "knet") {
        throw setup_error(exit_config,
                          fmt::format("{}: totem.transport is {}; a ring needs knet, which has "
                                      "more than one link. Change it while the cluster is stopped",
                                      conf.path, printable(conf.totem.transport)));
    }
    if (conf.totem.link_mode != "passive") {
        throw setup_error(exit_config,
                          fmt::format("{}: totem.link_mode is {}; beside a ring it must be "
                                      "passive: else the network waits for the disk",
                                      conf.path, printable(conf.totem.link_mode)));
    }
    for (const auto& node : conf.nodes) {
        if (node.name.empty()) {
            throw setup_error(exit_config,
                              fmt::format("{}:{}: node {} has no name, which Corosync wants when "
                                          "there is more than one link",
                                          conf.path, node.line, node.node_id));
        }
    }
    if (conf.nodes.size() < 2) {
        throw setup_error(exit_config, fmt::format("{}: lists fewer than two nodes", conf.path));
    }
}

class planner {
  public:
    explicit planner(const setup_input& input) : input_(input) {}

    setup_plan make() {
        refuse_unfit(input_.conf);
        find_ring();
        add_volume_steps();
        if (input_.shell == cluster_shell::pcs) {
            add_pcs_steps();
        } else {
            add_crm_steps();
        }
        if (input_.with_quorum) {
            run("on every node: start the quorum device, and with Corosync from now on",
                {"systemctl", "enable", "--now", "diskhb-quorumd.service"});
        }
        add_agent_steps();
        run("see that all is well: once all of this has been done on all nodes",
            {"diskhb", "setup", "--check"});
        plan_.steps.back().may_fail = true;
        return std::move(plan_);
    }

  private:
    void run(std::string what, words command) {
        plan_.steps.push_back({std::move(what), std::move(command), {}, {}, false, false});
    }
    void say(std::string what, words command = {}) {
        plan_.steps.push_back({std::move(what), std::move(command), {}, {}, true, false});
    }

    // Nothing is added when another node has brought the link already, or the configuration is
    // there.
    void find_ring() {
        if (input_.pending_link) {
            plan_.link = *input_.pending_link;
            return;
        }
        if (input_.has_config) {
            return;
        }
        plan_.link = choose_link(input_.conf);
        const auto stem = choose_network(input_);
        change_.ring_link = plan_.link;
        change_.timers = input_.timers;
        for (const auto& node : input_.conf.nodes) {
            if (node.node_id > 254) {
                throw setup_error(exit_config,
                                  fmt::format("{}:{}: node id {}: the ring's network has addresses "
                                              "for ids 1 to 254; add the link by hand",
                                              input_.conf.path, node.line, node.node_id));
            }
            change_.ring_addrs[node.node_id] = fmt::format("{}.{}", stem, node.node_id);
        }
    }

    void add_volume_steps() {
        if (!input_.is_formatted) {
            run("on one node: make the volume; this refuses a device that holds anything",
                {"diskhb", "format", input_.volume, "--cluster", input_.conf.totem.cluster_name});
        }
        if (!input_.has_config) {
            auto content = fmt::format(
                "# What diskhb.toml(5) describes; the same on all nodes.\n[[ring]]\n"
                "interface = \"{}\"\nlink = {}\nvolume = \"{}\"\n",
                input_.interface, plan_.link, input_.volume);
            if (input_.with_quorum) {
                content += fmt::format("\n[quorum]\nvolumes = [\"{}\"]\n", input_.volume);
            }
            plan_.steps.push_back({"on every node: the configuration of diskhb",
                                   {},
                                   input_.config_path,
                                   std::move(content),
                                   false});
        }
    }

    void start_ring() {
        run("on every node: start the ring, and before Corosync from now on",
            {"systemctl", "enable", "--now", "diskhbd.service"});
    }

    void add_pcs_steps() {
        if (change_.ring_link) {
            words add = {"pcs", "cluster", "link", "add"};
            for (const auto& node : input_.conf.nodes) {
                add.push_back(fmt::format("{}={}", node.name, change_.ring_addrs.at(node.node_id)));
            }
            const auto& timers = input_.timers;
            for (const auto& option :
                 {std::string("options"), fmt::format("linknumber={}", plan_.link),
                  std::string("link_priority=1"),
                  fmt::format("ping_interval={}", timers.ring_ping_interval_ms),
                  fmt::format("ping_timeout={}", timers.ring_ping_timeout_ms),
                  fmt::format("pong_count={}", timers.pong_count)}) {
                add.push_back(option);
            }
            run("on one node: give Corosync the ring as one more link; no node leaves", add);
            add_pcs_totem();
            say("pcs changes the timers of a link only while the cluster is stopped; in a "
                "maintenance window, so that a dead network is noticed sooner",
                {"pcs", "cluster", "link", "update", "0", "options", "link_priority=10",
                 fmt::format("ping_interval={}", timers.network_ping_interval_ms),
                 fmt::format("ping_timeout={}", timers.network_ping_timeout_ms),
                 fmt::format("pong_count={}", timers.pong_count)});
        }
        start_ring();
        if (input_.with_quorum && !input_.pending_link) {
            if (!input_.with_shim) {
                say("on every node: pcs starts the service corosync-qdevice for any quorum device, "
                    "and does not start Pacemaker without it. This package stands in for it",
                    {"apt-get", "install", "diskhb-qdevice-shim"});
            }
            // pcs knows the model "net" alone: hence --force, and generic options after it.
            run("on one node: the quorum device; pcs warns that it does not know the model",
                {"pcs", "quorum", "device", "add",
                 fmt::format("timeout={}", input_.device.timeout_ms),
                 fmt::format("sync_timeout={}", input_.device.sync_timeout_ms),
                 fmt::format("votes={}", input_.device.votes), "model", "disk", "--force"});
        }
    }

    void add_pcs_totem() {
        words update = {"pcs", "cluster", "config", "update", "totem"};
        const auto& totem = input_.conf.totem;
        const auto& timers = input_.timers;
        const auto raise = [&](const char* key, std::uint32_t value) {
            const auto given = input_.conf.find(fmt::format("totem.{}", key));
            std::uint32_t present = 0;
            if (given) {
                (void)std::from_chars(given->data(), given->data() + given->size(), present);
            }
            if (present < value) {
                update.push_back(fmt::format("{}={}", key, value));
            }
        };
        raise("token", timers.token_ms);
        raise("join", timers.join_ms);
        raise("token_retransmits_before_loss_const", timers.token_retransmits_before_loss);
        if (update.size() > 5) {
            run(fmt::format("on one node: a token that outlasts the switch from link to link "
                            "(now {} ms)",
                            totem.token_ms),
                update);
        }
    }

    void add_crm_steps() {
        if (input_.with_quorum && !input_.pending_link) {
            change_.device = input_.device;
        }
        if (change_.ring_link || change_.device) {
            plan_.new_conf = edited(input_.conf_text, input_.conf, change_);
            plan_.steps.push_back(
                {fmt::format("on one node: crmsh has no command for a link; this is the whole "
                             "file, with the link, the timers{} added to it (the old one is kept "
                             "as .before-diskhb)",
                             input_.with_quorum ? " and the quorum device" : ""),
                 {},
                 input_.conf.path,
                 plan_.new_conf,
                 false});
            run("to all other nodes", {"crm", "corosync", "push"});
        }
        start_ring();
        if (change_.ring_link || change_.device) {
            run("let the running Corosync take it; no node leaves", {"crm", "corosync", "reload"});
        }
    }

    void add_agent_steps() {
        if (!input_.with_agents) {
            return;
        }
        if (input_.pending_link) {
            add_cleanup();
            return;
        }
        add_agent("ring", "5s");
        if (input_.with_quorum) {
            add_agent("quorum", "10s");
        }
        say("prefer nodes that have the network (or, with diskhb-storage, the storage); a negative "
            "score would leave a resource nowhere to run when all nodes have lost it",
            input_.shell == cluster_shell::pcs
                ? words{"pcs", "constraint", "location", "RESOURCE", "rule", "score=100000",
                        "diskhb-network", "eq", "1"}
                : words{"crm", "configure", "location", "RESOURCE-network", "RESOURCE", "rule",
                        "100000:", "diskhb-network", "eq", "1"});
    }

    // The agents were made on the first node, and could not start here before there was a ring.
    void add_cleanup() {
        for (const auto* const id : {"diskhb-ring", "diskhb-quorum"}) {
            if (id == std::string("diskhb-quorum") && !input_.with_quorum) {
                continue;
            }
            run(fmt::format("let the agent {} start here, if it has tried before", id),
                {"crm_resource", "--cleanup", "--resource", id, "--node", input_.node_name});
            plan_.steps.back().may_fail = true;
        }
    }

    void add_agent(const std::string& name, const std::string& interval) {
        const auto id = fmt::format("diskhb-{}", name);
        const auto agent = fmt::format("ocf:diskhb:{}", name);
        const auto every = fmt::format("interval={}", interval);
        const auto what = fmt::format("on one node: the agent {} on all nodes", name);
        if (input_.shell == cluster_shell::pcs) {
            run(what, {"pcs", "resource", "create", id, agent, "op", "monitor", every,
                       "timeout=20s", "clone"});
        } else {
            run(what, {"crm", "configure", "primitive", id, agent, "op", "monitor", every,
                       "timeout=20s"});
            run("as a clone", {"crm", "configure", "clone", fmt::format("{}-clone", id), id});
        }
    }

    const setup_input& input_;
    setup_plan plan_;
    conf_change change_;
};

}  // namespace

setup_plan plan_setup(const setup_input& input) { return planner(input).make(); }

std::string quoted(const std::string& word) {
    constexpr const char* plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
        return word;
    }
    std::string text = fmt::format("{}", '\'');
    for (const char c : word) {
        if (c == '\'') {
            text += "'\\''";
        } else {
            text += c;
        }
    }
    text += '\'';
    return text;
}

std::string to_text(const setup_plan& plan) {
    std::string text;
    unsigned number = 0;
    for (const auto& step : plan.steps) {
        text += fmt::format("# {}. {}\n", ++number, step.what);
        if (!step.file.empty()) {
            text += fmt::format("cat > {} <<'END'\n{}END\n", quoted(step.file), step.content);
        }
        std::string line;
        for (const auto& word : step.command) {
            line += fmt::format("{}{}", line.empty() ? "" : " ", quoted(word));
        }
        if (!line.empty()) {
            // By hand: not to be pasted with the rest.
            text += fmt::format("{}{}\n", step.by_hand ? "#   " : "", line);
        }
        text += "\n";
    }
    return text;
}

}  // namespace diskhb::tools
