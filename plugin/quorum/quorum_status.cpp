// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_status.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "plugin/daemon/control_reply.hpp"

namespace diskhb::quorum {

namespace {

using json = nlohmann::ordered_json;
using format::grant_state;
using format::quorum_block;
using format::quorum_state;
using format::vote_state;

std::uint64_t to_ms(std::uint64_t value_ns) { return value_ns / 1'000'000; }
std::uint64_t to_us(std::uint64_t value_ns) { return value_ns / 1'000; }
std::uint64_t since(std::uint64_t time_ns, std::uint64_t now_ns) {
    return now_ns > time_ns ? now_ns - time_ns : 0;
}
json ago_ms(const std::optional<std::uint64_t>& ago_ns) {
    return ago_ns ? json(to_ms(*ago_ns)) : json();
}

const char* name_of(quorum_state state) {
    switch (state) {
        case quorum_state::starting:
            return "starting";
        case quorum_state::running:
            return "running";
        case quorum_state::stopped:
            break;
    }
    return "stopped";
}

const char* name_of(vote_state vote) {
    switch (vote) {
        case vote_state::yes:
            return "yes";
        case vote_state::undecided:
            return "undecided";
        case vote_state::no:
            break;
    }
    return "no";
}

const char* name_of(format::heuristics_result result) {
    switch (result) {
        case format::heuristics_result::passed:
            return "passed";
        case format::heuristics_result::failed:
            return "failed";
        case format::heuristics_result::off:
            break;
    }
    return "off";
}

const char* name_of(grant_state state) {
    switch (state) {
        case grant_state::claimed:
            return "claimed";
        case grant_state::accepted:
            return "accepted";
        case grant_state::granted:
            return "granted";
        case grant_state::revoked:
            return "revoked";
        case grant_state::none:
            break;
    }
    return "none";
}

// What votequorum is told now: the order, as long as it is valid.
vote_state told(const lease& state, std::uint64_t now_ns) {
    const vote_order& order = state.vote();
    return order.vote == vote_state::yes && now_ns >= order.valid_until_ns ? vote_state::no
                                                                           : order.vote;
}

json vote_json(const lease& state, const quorum_snapshot& snapshot) {
    const vote_order& order = state.vote();
    const vote_state said = told(state, snapshot.now_ns);
    const bool is_yes = said == vote_state::yes;
    return {{"state", name_of(said)},
            {"since_ms", to_ms(since(snapshot.vote_since_ns, snapshot.now_ns))},
            {"valid_for_ms", is_yes ? to_ms(order.valid_until_ns - snapshot.now_ns) : 0},
            {"ring", ring_text(order.ring)},
            {"epoch", is_yes ? state.block().vote_epoch : 0}};
}

// What is known of a slot: our own block is the newest there is.
const quorum_block* block_of(const lease& state, slot_index slot) {
    if (slot + 1U == state.block().node_id) {
        return state.block().sequence != 0 ? &state.block() : nullptr;
    }
    return state.seen(slot).newest();
}

json grant_json(const lease& state, const quorum_snapshot& snapshot) {
    const auto holder = state.holder(snapshot.now_ns);
    const quorum_block* const block = holder ? block_of(state, *holder) : nullptr;
    if (block == nullptr || block->granting != grant_state::granted) {
        return nullptr;
    }
    const bool is_ours = block == &state.block();
    const std::uint64_t until_ns = is_ours ? snapshot.now_ns : block->clock_ns;
    return {
        {"holder", block->node_id},
        {"ring", ring_text(block->value.ring)},
        {"members", nodes_of(block->value.members)},
        {"epoch", block->value.epoch},
        {"held_for_ms",
         block->granted_at_ns == 0 ? json() : json(to_ms(since(block->granted_at_ns, until_ns)))},
        {"age_ms", is_ours ? 0 : to_ms(since(state.seen(*holder).sighted_ns(), snapshot.now_ns))},
        {"renewals", block->renewal}};
}

json corosync_json(const corosync_snapshot& snapshot) {
    return {{"connected", snapshot.is_connected},
            {"registered", snapshot.is_registered},
            {"quorate", snapshot.is_quorate},
            {"ring", ring_text(snapshot.ring)},
            {"members", nodes_of(snapshot.members)},
            {"in_call_ms", to_ms(snapshot.in_call_ns)},
            {"polls", snapshot.polls},
            {"polls_refused", snapshot.polls_refused}};
}

json volume_json(const volume_snapshot& volume) {
    return {{"path", volume.path},
            {"state", volume.state},
            {"error", volume.error},
            {"last_write_ago_ms", ago_ms(volume.last_write_ago_ns)},
            {"last_read_ago_ms", ago_ms(volume.last_read_ago_ns)},
            {"io_pending_ms", to_ms(volume.io_pending_ns)},
            {"write_latency_us_p50", to_us(volume.write_latency_ns_p50)},
            {"write_latency_us_max", to_us(volume.write_latency_ns_max)},
            {"read_latency_us_p50", to_us(volume.read_latency_ns_p50)},
            {"read_latency_us_max", to_us(volume.read_latency_ns_max)},
            {"writes", volume.writes},
            {"reads", volume.reads},
            {"times_lost", volume.times_lost}};
}

const char* node_state(const quorum_config& config, const lease& state, const quorum_block* block,
                       slot_index slot, std::uint64_t now_ns) {
    if (block == nullptr) {
        return "unknown";
    }
    if (block != &state.block() && block->state != quorum_state::stopped) {
        const auto drop_ns =
            static_cast<std::uint64_t>(std::chrono::nanoseconds(config.times.drop).count());
        if (since(state.seen(slot).sighted_ns(), now_ns) > drop_ns) {
            return "silent";
        }
    }
    return name_of(block->state);
}

json node_json(const quorum_config& config, const lease& state, const cluster_node& node,
               std::uint64_t now_ns) {
    const auto slot = static_cast<slot_index>(node.node_id - 1);
    const auto own_slot = static_cast<slot_index>(config.node_id - 1);
    const quorum_block* const block = block_of(state, slot);
    const bool is_ours = slot == own_slot;
    quorum_block shown = block != nullptr ? *block : quorum_block();
    if (is_ours) {
        // Our last block may be old, when no volume takes a newer one.
        shown.vote = told(state, now_ns);
        shown.ready = state.is_ready(now_ns);
        if (shown.granting == grant_state::granted && state.holder(now_ns) != own_slot) {
            shown.granting = grant_state::none;
        }
    }
    const bool hears_us =
        is_ours || shown.echoes[own_slot].incarnation == state.block().incarnation;
    return {{"node", node.node_id},
            {"name", node.name},
            {"state", node_state(config, state, block, slot, now_ns)},
            {"ring", ring_text(shown.ring)},
            {"members", nodes_of(shown.ring_members)},
            {"vote", name_of(shown.vote)},
            {"score", shown.score},
            {"heuristics", name_of(shown.heuristics)},
            {"ready", shown.ready},
            {"granting", name_of(shown.granting)},
            {"seen_ago_ms",
             block == nullptr
                 ? json()
                 : json(is_ours ? 0 : to_ms(since(state.seen(slot).sighted_ns(), now_ns)))},
            {"hears_us", block != nullptr && hears_us}};
}

json timings_json(const timings& times) {
    return {{"interval_ms", times.interval.count()},
            {"drop_ms", times.drop.count()},
            {"take_ms", times.take.count()},
            {"settle_ms", times.settle.count()},
            {"margin_ms", times.margin.count()},
            {"answer_ms", times.answer.count()},
            {"device_timeout_ms", times.device_timeout.count()},
            {"sync_timeout_ms", times.sync_timeout.count()},
            {"recovery_max_ms", recovery_max(times).count()}};
}

}  // namespace

quorum_request parse_quorum_request(std::string_view line) {
    const auto object = json::parse(line.begin(), line.end(), nullptr, false);
    if (!object.is_object()) {
        return {quorum_verb::invalid, "a request is one JSON object on one line"};
    }
    const auto verb = object.find("verb");
    if (verb == object.end() || !verb->is_string()) {
        return {quorum_verb::invalid, "\"verb\" is missing"};
    }
    if (*verb == "status") {
        return {quorum_verb::status, {}};
    }
    if (*verb == "version") {
        return {quorum_verb::version, {}};
    }
    return {quorum_verb::invalid, "unknown verb; there are status and version"};
}

std::string ring_text(const ring_id& ring) {
    return ring.known() ? fmt::format("{:x}.{:x}", ring.node_id, ring.sequence) : std::string();
}

std::vector<std::uint32_t> nodes_of(const slot_set& slots) {
    std::vector<std::uint32_t> nodes;
    for (slot_index slot = 0; slot < format::slots_max; ++slot) {
        if (slots.test(slot)) {
            nodes.push_back(slot + 1U);
        }
    }
    return nodes;
}

std::string quorum_status_reply(const quorum_config& config, const lease& state,
                                const quorum_snapshot& snapshot) {
    const std::chrono::nanoseconds uptime(since(snapshot.started_ns, snapshot.now_ns));
    auto value = daemon::begin_status(
        {config.cluster_name, config.node_id, config.node_name, config.corosync_conf_path},
        std::chrono::duration_cast<std::chrono::seconds>(uptime));
    value["mode"] = name_of(config.how);
    value["device_votes"] = config.device.votes;
    value["score"] = config.score;
    value["incarnation"] = fmt::format("{:016x}", snapshot.incarnation);
    value["state"] = name_of(state.state());
    value["ready"] = state.is_ready(snapshot.now_ns);
    value["vote"] = vote_json(state, snapshot);
    value["grant"] = grant_json(state, snapshot);
    value["corosync"] = corosync_json(snapshot.corosync);
    value["volumes"] = json::array();
    for (const auto& volume : snapshot.volumes) {
        value["volumes"].push_back(volume_json(volume));
    }
    value["nodes"] = json::array();
    for (const auto& node : config.nodes) {
        value["nodes"].push_back(node_json(config, state, node, snapshot.now_ns));
    }
    value["timings"] = timings_json(config.times);
    return daemon::to_line(value);
}

}  // namespace diskhb::quorum
