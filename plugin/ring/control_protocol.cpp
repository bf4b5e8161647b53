// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/control_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "plugin/daemon/control_reply.hpp"

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;

double to_us(std::chrono::nanoseconds value) { return static_cast<double>(value.count()) / 1e3; }
double to_ms(std::chrono::nanoseconds value) { return static_cast<double>(value.count()) / 1e6; }

// 64 random bits do not fit the numbers of most JSON readers.
std::string incarnation_text(std::uint64_t incarnation) {
    return incarnation == 0 ? std::string() : fmt::format("{:016x}", incarnation);
}

// One entry for each node of the list, also before the engine knows of them.
json peer_json(const ring_peer& node, const statistics& engine) {
    const auto found =
        std::find_if(engine.peers.begin(), engine.peers.end(),
                     [&](const peer_status& each) { return each.node_id == node.node_id; });
    const auto peer = found == engine.peers.end() ? peer_status() : *found;
    return {
        {"node", node.node_id},
        {"name", node.name},
        {"address", corosync::to_string(node.address)},
        {"state", peer_state_name(peer.state)},
        {"heard_ago_ms", peer.state == peer_state::unknown ? json() : json(to_ms(peer.heard_ago))},
        {"incarnation", incarnation_text(peer.incarnation)},
        {"frames_read", peer.frames_read},
        {"frames_lost", peer.frames_lost},
        {"unread_by_peer", peer.unread_by_peer},
        {"acknowledges_us", peer.acknowledges_us},
        {"hears_us", peer.hears_us},
        {"lag_us_p50", to_us(peer.lag_p50)},
        {"lag_us_p99", to_us(peer.lag_p99)},
        {"lag_us_most", to_us(peer.lag_most)},
        {"deadline_breaches", peer.deadline_breaches},
        {"deadline_bursts", peer.deadline_bursts}};
}

json area_json(const receive_area_status& area) {
    const bool was_seen = area.table_seen_ago.count() != 0;
    return {{"volume", area.volume},
            {"nodes", area.nodes},
            {"state", ring_state_name(area.state)},
            {"error", area.error},
            {"volume_uuid", area.volume_uuid},
            {"read_latency_us_p50", to_us(area.read_latency_p50)},
            {"read_latency_us_p99", to_us(area.read_latency_p99)},
            {"io_pending_ms", to_ms(area.io_pending)},
            {"seen_ago_ms", was_seen ? json(to_ms(area.table_seen_ago)) : json()}};
}

json ring_json(const ring_snapshot& ring) {
    const auto& config = *ring.config;
    const auto& engine = ring.engine;
    json value{{"interface", config.interface},
               {"link", config.link},
               {"address", corosync::to_string(config.address)},
               {"interface_up", ring.interface_up},
               {"qdisc", ring.qdisc},
               {"mtu", config.mtu_bytes},
               {"volume", config.volume},
               {"state", ring_state_name(engine.state)},
               {"error", engine.ring_error},
               {"incarnation", incarnation_text(engine.incarnation)},
               {"memory_bytes", engine.memory_bytes},
               {"ttl_ms", to_ms(config.engine.ttl)},
               {"write_latency_us_p50", to_us(engine.write_latency_p50)},
               {"write_latency_us_p99", to_us(engine.write_latency_p99)},
               {"read_latency_us_p50", to_us(engine.read_latency_p50)},
               {"read_latency_us_p99", to_us(engine.read_latency_p99)},
               {"io_pending_ms", to_ms(engine.io_pending)}};
    value["read_deadline_ms"] = to_ms(config.engine.read_deadline);
    value["receive"] = json::array();
    for (const auto& area : engine.receive_areas) {
        value["receive"].push_back(area_json(area));
    }
    value["copy"] = to_json(ring.copy);
    value["peers"] = json::array();
    for (const auto& peer : config.peers) {
        value["peers"].push_back(peer_json(peer, engine));
    }
    auto& counters = value["counters"] = json::object();
    for (std::size_t index = 0; index < counter_count; ++index) {
        counters[counter_name(static_cast<counter>(index))] = engine.counters[index];
    }
    auto& packets = value["packets"] = json::object();
    for (std::size_t index = 0; index < tunnel_counter_count; ++index) {
        packets[tunnel_counter_name(static_cast<tunnel_counter>(index))] = ring.packets[index];
    }
    if (ring.routed) {
        value["route_interface"] = config.route_interface;
        auto& routed = value["routed"] = json::object();
        for (std::size_t index = 0; index < route_counter_count; ++index) {
            routed[route_counter_name(static_cast<route_counter>(index))] = (*ring.routed)[index];
        }
    }
    return value;
}

control_request invalid(const std::string& error) {
    control_request request;
    request.error = error;
    return request;
}

// Reads a member as a whole number within limits; false if it is there and something else.
template <class Value>
bool take_number(const json& object, const char* key, std::uint64_t minimum, std::uint64_t maximum,
                 Value& target) {
    const auto found = object.find(key);
    if (found == object.end()) {
        return true;
    }
    if (!found->is_number_unsigned() || found->template get<std::uint64_t>() < minimum ||
        found->template get<std::uint64_t>() > maximum) {
        return false;
    }
    target = static_cast<Value>(found->template get<std::uint64_t>());
    return true;
}

// The members that ping and copy share.
control_request parse_ring_request(const json& object, request_verb verb,
                                   std::chrono::milliseconds timeout,
                                   std::chrono::milliseconds timeout_max) {
    control_request request;
    if (const auto ring = object.find("ring"); ring != object.end()) {
        if (!ring->is_string()) {
            return invalid("\"ring\" must be the name of an interface");
        }
        request.ring = ring->get<std::string>();
    }
    if (!take_number(object, "node", 1, corosync::node_id_max, request.node_id)) {
        return invalid(fmt::format("\"node\" must be a node id, 1 .. {}", corosync::node_id_max));
    }
    std::int64_t timeout_ms = timeout.count();
    if (!take_number(object, "timeout_ms", 1, static_cast<std::uint64_t>(timeout_max.count()),
                     timeout_ms)) {
        return invalid(fmt::format("\"timeout_ms\" must be 1 .. {}", timeout_max.count()));
    }
    request.timeout = std::chrono::milliseconds(timeout_ms);
    request.verb = verb;
    return request;
}

control_request parse_ping(const json& object) {
    auto request = parse_ring_request(object, request_verb::ping, std::chrono::milliseconds(1000),
                                      ping_timeout_max);
    if (request.verb == request_verb::ping && request.node_id == 0) {
        return invalid(fmt::format("\"node\" must be a node id, 1 .. {}", corosync::node_id_max));
    }
    return request;
}

control_request parse_copy(const json& object) {
    auto request =
        parse_ring_request(object, request_verb::copy, copy_timeout_default, copy_timeout_max);
    if (const auto wait = object.find("wait"); wait != object.end()) {
        if (!wait->is_boolean()) {
            return invalid("\"wait\" must be true or false");
        }
        request.wait = wait->get<bool>();
    }
    return request;
}

}  // namespace

control_request parse_request(std::string_view line) {
    const auto object = json::parse(line.begin(), line.end(), nullptr, false);
    if (!object.is_object()) {
        return invalid("a request is one JSON object on one line");
    }
    const auto verb = object.find("verb");
    if (verb == object.end() || !verb->is_string()) {
        return invalid("\"verb\" is missing");
    }
    control_request request;
    if (*verb == "ping") {
        return parse_ping(object);
    }
    if (*verb == "copy") {
        return parse_copy(object);
    }
    if (*verb == "status") {
        request.verb = request_verb::status;
    } else if (*verb == "version") {
        request.verb = request_verb::version;
    } else {
        request.error = "unknown verb; there are status, ping, copy and version";
    }
    return request;
}

std::string status_reply(const daemon_config& config, const std::vector<ring_snapshot>& rings,
                         const std::vector<route_report>& routes, std::chrono::seconds uptime) {
    auto value = begin_status(
        {config.cluster_name, config.node_id, config.node_name, config.corosync_conf_path}, uptime);
    value["rings"] = json::array();
    for (const auto& ring : rings) {
        value["rings"].push_back(ring_json(ring));
    }
    value["routes"] = json::array();
    for (const auto& route : routes) {
        value["routes"].push_back(to_json(route));
    }
    return to_line(value);
}

std::string ping_reply(std::chrono::nanoseconds round_trip) {
    return to_line({{"ok", true}, {"rtt_us", to_us(round_trip)}});
}

std::string ping_error_reply(const boost::system::error_code& error, std::uint32_t node_id,
                             std::chrono::milliseconds timeout) {
    if (error == errc::timed_out) {
        return error_reply(
            fmt::format("no reply from node {} within {} ms", node_id, timeout.count()),
            exit_failed);
    }
    if (error == errc::no_such_node) {
        return error_reply(fmt::format("node {} is not on this ring", node_id), exit_usage);
    }
    if (error == errc::not_joined) {
        return error_reply("the ring has not joined: see diskhb status", exit_volume);
    }
    return error_reply(error.message(), exit_failed);
}

}  // namespace diskhb::daemon
