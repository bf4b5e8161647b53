// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/event_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace diskhb::watch {

using corosync::carrier;
using corosync::corosync_state;
using corosync::interconnect_event;
using corosync::interconnect_state;
using kind = corosync::interconnect_event_kind;
using json = nlohmann::ordered_json;

namespace {

std::string printable(const std::string& text) {
    std::string clean = text;
    std::replace_if(
        clean.begin(), clean.end(), [](char each) { return each < ' ' || each > '~'; }, '?');
    return clean;
}

const char* words_for(carrier value) noexcept {
    switch (value) {
        case carrier::network:
            return "on the network";
        case carrier::both:
            return "on the network, with some nodes on the ring alone";
        case carrier::ring:
            return "on the ring";
        case carrier::nothing:
            break;
    }
    return "no other node is reached";
}

std::string state_words(const interconnect_state& state) {
    if (state.corosync == corosync_state::gone) {
        return "nothing is known";
    }
    return fmt::format("{}, {}", state.is_quorate ? "quorate" : "not quorate",
                       words_for(state.runs_on));
}

const char* verb_for(const interconnect_event& event) noexcept {
    return event.node_ids.size() == 1 ? "is" : "are";
}

// At the start: what is not as it should be.
std::string ways_down(const interconnect_state& state, const node_names& names) {
    std::vector<std::uint32_t> network;
    std::vector<std::uint32_t> ring;
    for (const auto& node : state.others) {
        if (node.is_member && !node.on_network) {
            network.push_back(node.node_id);
        }
        if (node.is_member && !node.on_ring) {
            ring.push_back(node.node_id);
        }
    }
    std::string text;
    if (!network.empty()) {
        text += "; not over the network: " + names_of_nodes(network, names);
    }
    if (!ring.empty()) {
        text += "; not over the ring: " + names_of_nodes(ring, names);
    }
    return text;
}

std::string news_of(const interconnect_event& event, const interconnect_state& state,
                    const node_names& names) {
    const auto who = names_of_nodes(event.node_ids, names);
    switch (event.kind) {
        case kind::started:
            return fmt::format("members {}{}", who, ways_down(state, names));
        case kind::network_lost:
            return fmt::format("{} {} not reached over the network", who, verb_for(event));
        case kind::network_back:
            return fmt::format("{} {} reached over the network again", who, verb_for(event));
        case kind::on_ring:
            return fmt::format("{} {} reached over the ring alone", who, verb_for(event));
        case kind::ring_lost:
            return fmt::format("{} {} not reached over the ring", who, verb_for(event));
        case kind::ring_back:
            return fmt::format("{} {} reached over the ring again", who, verb_for(event));
        case kind::cut_off:
            return "this node reaches no other one";
        case kind::inquorate:
            return "this node has no quorum";
        case kind::quorate:
            return "this node has quorum";
        case kind::members:
            return fmt::format("members {}", who);
        case kind::corosync_silent:
            return "Corosync does not answer; what was known before is";
        case kind::corosync_gone:
            return "Corosync does not run";
        case kind::corosync_back:
            return "Corosync answers again";
    }
    return {};
}

std::string words_of_ids(const std::vector<std::uint32_t>& node_ids) {
    return fmt::format("{}", fmt::join(node_ids, " "));
}

}  // namespace

std::string name_of_node(std::uint32_t node_id, const node_names& names) {
    const auto found = names.find(node_id);
    return found == names.end() || found->second.empty() ? fmt::format("node {}", node_id)
                                                         : printable(found->second);
}

std::string names_of_nodes(const std::vector<std::uint32_t>& node_ids, const node_names& names) {
    std::vector<std::string> words;
    for (const auto node_id : node_ids) {
        words.push_back(name_of_node(node_id, names));
    }
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string time_text(wall_time at) {
    const auto since = at.time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count() % 1000;
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(at)), ms);
}

std::string event_text(const interconnect_event& event, const interconnect_state& state,
                       const node_names& names) {
    return fmt::format("{}: {}; {}", corosync::name_of(event.kind), news_of(event, state, names),
                       state_words(state));
}

json state_json(const interconnect_state& state, const node_names& names) {
    json value = {{"node", state.local_node_id},
                  {"corosync", corosync::name_of(state.corosync)},
                  {"quorate", state.is_quorate},
                  {"runs_on", corosync::name_of(state.runs_on)},
                  {"members", state.members}};
    value["peers"] = json::array();
    for (const auto& node : state.others) {
        value["peers"].push_back({{"node", node.node_id},
                                  {"name", name_of_node(node.node_id, names)},
                                  {"member", node.is_member},
                                  {"on_network", node.on_network},
                                  {"on_ring", node.on_ring}});
    }
    return value;
}

json event_json(const interconnect_event& event, const interconnect_state& state,
                const node_names& names, wall_time at) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
    json value = {{"event", corosync::name_of(event.kind)},
                  {"time", time_text(at)},
                  {"time_ms", ms},
                  {"nodes", event.node_ids},
                  {"text", news_of(event, state, names)}};
    value.update(state_json(state, names));
    return value;
}

std::vector<std::string> event_environment(const interconnect_event& event,
                                           const interconnect_state& state, const node_names& names,
                                           wall_time at) {
    return {fmt::format("DISKHB_EVENT={}", corosync::name_of(event.kind)),
            fmt::format("DISKHB_EVENT_TIME={}", time_text(at)),
            fmt::format("DISKHB_EVENT_NODES={}", words_of_ids(event.node_ids)),
            fmt::format("DISKHB_EVENT_TEXT={}", news_of(event, state, names)),
            fmt::format("DISKHB_NODE={}", state.local_node_id),
            fmt::format("DISKHB_RUNS_ON={}", corosync::name_of(state.runs_on)),
            fmt::format("DISKHB_QUORATE={}", state.is_quorate ? 1 : 0),
            fmt::format("DISKHB_MEMBERS={}", words_of_ids(state.members)),
            fmt::format("DISKHB_COROSYNC={}", corosync::name_of(state.corosync))};
}

}  // namespace diskhb::watch
