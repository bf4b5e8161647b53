// SPDX-License-Identifier: BSD-3-Clause
#include "tools/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "diskhb/statistics.hpp"
#include "tools/reply_text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

namespace {

using labels = std::vector<std::pair<const char*, std::string>>;

std::string escaped(const std::string& value) {
    std::string text;
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            text += '\\';
        }
        text += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    return text;
}

// Families in the order of their first sample, each with its samples together, as the format wants.
class exposition {
  public:
    void add(const std::string& name, const char* type, const std::string& help,
             const labels& names, double value) {
        auto [place, is_new] = index_.try_emplace(name, families_.size());
        if (is_new) {
            families_.push_back(fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type));
        }
        std::string list;
        for (const auto& [key, text] : names) {
            list += fmt::format("{}{}=\"{}\"", list.empty() ? "" : ",", key, escaped(text));
        }
        // As short as it is exact.
        families_[place->second] +=
            fmt::format("{}{} {}\n", name, list.empty() ? "" : "{" + list + "}", value);
    }
    void gauge(const std::string& name, const std::string& help, const labels& names,
               double value) {
        add(name, "gauge", help, names, value);
    }
    void counter(const std::string& name, const std::string& help, const labels& names,
                 double value) {
        add(name, "counter", help, names, value);
    }
    std::string text() const { return fmt::format("{}", fmt::join(families_, "")); }

  private:
    std::map<std::string, std::size_t> index_;
    std::vector<std::string> families_;
};

double one_if(bool value) { return value ? 1 : 0; }

// An age or a wait: null, when there is none, is no sample.
void gauge_seconds(exposition& out, const std::string& name, const std::string& help,
                   const labels& names, const json& object, const char* key_ms) {
    if (object.contains(key_ms) && object[key_ms].is_number()) {
        out.gauge(name, help, names, number_of(object, key_ms) / 1000);
    }
}

void add_latency(exposition& out, const std::string& name, const std::string& help, labels names,
                 const json& object, const char* key_us, const char* quantile) {
    names.emplace_back("quantile", quantile);
    out.add(name, "summary", help, names, number_of(object, key_us) / 1e6);
}

// The median and 99 %, of the members KEY_p50 and KEY_p99.
void add_latencies(exposition& out, const std::string& name, const std::string& help,
                   const labels& names, const json& object, const std::string& key_us) {
    for (const auto& [suffix, quantile] : {std::pair("_p50", "0.5"), std::pair("_p99", "0.99")}) {
        add_latency(out, name, help, names, object, (key_us + suffix).c_str(), quantile);
    }
}

void add_daemon(exposition& out, const char* daemon, const json& reply) {
    const labels names = {{"daemon", daemon}};
    out.gauge("diskhb_up", "Whether the daemon answers on its control socket.", names,
              one_if(!reply.is_null()));
    if (!reply.is_null()) {
        out.gauge("diskhb_build_info", "Version of the daemon; always 1.",
                  {{"daemon", daemon}, {"version", text_of(reply, "version")}}, 1);
        out.gauge("diskhb_uptime_seconds", "Time since the daemon was started.", names,
                  number_of(reply, "uptime_s"));
    }
}

void add_counters(exposition& out, const std::string& ring, const json& reply) {
    const auto counters = object_of(reply, "counters");
    for (std::size_t index = 0; index < counter_count; ++index) {
        const auto which = static_cast<counter>(index);
        if (const auto* const name = counter_name(which); counters.contains(name)) {
            out.counter(fmt::format("diskhb_ring_{}_total", name),
                        fmt::format("Ring: {}.", counter_help(which)), {{"ring", ring}},
                        number_of(counters, name));
        }
    }
    const auto packets = object_of(reply, "packets");
    for (const auto& [name, value] : packets.items()) {
        if (value.is_number()) {
            out.counter(fmt::format("diskhb_interface_{}_total", name),
                        fmt::format("Interface: {}, see diskhbd(8).", name), {{"ring", ring}},
                        value.get<double>());
        }
    }
}

// Of the interface of the routes; a ring without routes has none.
void add_routed(exposition& out, const std::string& ring, const json& reply) {
    const auto packets = object_of(reply, "routed");
    for (const auto& [name, value] : packets.items()) {
        if (value.is_number()) {
            out.counter(fmt::format("diskhb_routed_{}_total", name),
                        fmt::format("Interface of the routes: {}, see diskhbd(8).", name),
                        {{"ring", ring}}, value.get<double>());
        }
    }
}

// A route that this node uses, carries for others, or both.
void add_route(exposition& out, const json& reply) {
    const labels names = {{"route", text_of(reply, "name")}, {"ring", text_of(reply, "ring")}};
    if (reply.contains("way")) {
        for (const auto* const way : {"gateway", "ring", "none"}) {
            auto with_way = names;
            with_way.emplace_back("way", way);
            out.gauge("diskhb_route_way", "Way of the route: 1 for the one that it goes.", with_way,
                      one_if(text_of(reply, "way") == way));
        }
        out.gauge("diskhb_route_gateway_answers", "Whether the gateway answers.", names,
                  one_if(flag_of(reply, "gateway_answers")));
        out.gauge("diskhb_route_carriers_ready", "Nodes that could carry the route now.", names,
                  static_cast<double>(list_of(reply, "carriers_ready").size()));
        out.counter("diskhb_route_changes_total", "Changes of the way.", names,
                    number_of(reply, "changes"));
    }
    if (reply.contains("can_carry")) {
        const auto users = list_of(reply, "carried_for");
        out.gauge("diskhb_route_can_carry", "Whether this node could carry it for others.", names,
                  one_if(flag_of(reply, "can_carry")));
        out.gauge(
            "diskhb_route_carried_nodes", "Nodes that this one carries it for now.", names,
            static_cast<double>(std::count_if(users.begin(), users.end(), [](const auto& user) {
                return flag_of(user, "now");
            })));
    }
}

void add_peer(exposition& out, const std::string& ring, const json& peer) {
    const labels names = {{"ring", ring},
                          {"node", fmt::format("{:.0f}", number_of(peer, "node"))},
                          {"name", text_of(peer, "name")}};
    const auto state = text_of(peer, "state");
    out.gauge("diskhb_peer_alive", "Whether the node's beat goes on, on the volume.", names,
              one_if(state == "alive" || state == "late"));
    out.gauge("diskhb_peer_late", "Whether the node reads later than the read deadline.", names,
              one_if(state == "late"));
    out.gauge("diskhb_peer_acknowledges", "Whether the node reads what this one writes.", names,
              one_if(flag_of(peer, "acknowledges_us")));
    out.gauge("diskhb_peer_hears_this_node", "Whether the node goes on reading our beats.", names,
              one_if(flag_of(peer, "hears_us")));
    gauge_seconds(out, "diskhb_peer_heard_ago_seconds", "Time since the node's last new beat.",
                  names, peer, "heard_ago_ms");
    out.gauge("diskhb_peer_unread_frames", "Frames of this node that the other has not read yet.",
              names, number_of(peer, "unread_by_peer"));
    out.counter("diskhb_peer_frames_read_total", "Frames of the node that were read.", names,
                number_of(peer, "frames_read"));
    out.counter("diskhb_peer_frames_lost_total", "Frames of the node that were lost.", names,
                number_of(peer, "frames_lost"));
    add_latencies(out, "diskhb_peer_lag_seconds",
                  "From a write to the node's word that it is read.", names, peer, "lag_us");
    out.gauge("diskhb_peer_lag_most_seconds", "The longest of these since the daemon was started.",
              names, number_of(peer, "lag_us_most") / 1e6);
    out.counter("diskhb_peer_deadline_breaches_total", "Writes read later than the read deadline.",
                names, number_of(peer, "deadline_breaches"));
    out.counter("diskhb_peer_deadline_bursts_total", "Times the node became late.", names,
                number_of(peer, "deadline_bursts"));
}

void add_ring_states(exposition& out, const std::string& name, const std::string& help,
                     const labels& names, const json& reply) {
    for (const auto state :
         {ring_state::waiting_for_volume, ring_state::watching_slot, ring_state::running,
          ring_state::volume_lost, ring_state::refused, ring_state::stopped}) {
        auto with_state = names;
        with_state.emplace_back("state", ring_state_name(state));
        out.gauge(name, help, with_state,
                  one_if(text_of(reply, "state") == ring_state_name(state)));
    }
}

// A volume that other nodes' writes are copied to, and that is only read here.
void add_receive_area(exposition& out, const std::string& ring, const json& area) {
    const labels names = {{"ring", ring}, {"volume", text_of(area, "volume")}};
    auto with_nodes = names;
    std::string nodes;
    for (const auto& node : list_of(area, "nodes")) {
        nodes += fmt::format("{}{}", nodes.empty() ? "" : ",", node.dump());
    }
    with_nodes.emplace_back("nodes", nodes);
    out.gauge("diskhb_receive_info", "Nodes that are read from a receive volume; always 1.",
              with_nodes, 1);
    add_ring_states(out, "diskhb_receive_state",
                    "State of a receive volume: 1 for the one that it is in.", names, area);
    gauge_seconds(out, "diskhb_receive_read_ago_seconds", "Time since its table was read.", names,
                  area, "seen_ago_ms");
    gauge_seconds(out, "diskhb_receive_io_pending_seconds", "Age of the oldest read under way.",
                  names, area, "io_pending_ms");
    add_latencies(out, "diskhb_receive_read_latency_seconds", "Time of a read of the volume.",
                  names, area, "read_latency_us");
}

void add_copy_command(exposition& out, const labels& names, const json& copy) {
    out.gauge("diskhb_copy_run_seconds", "How long the last run of the command took.", names,
              number_of(copy, "last_run_ms") / 1000);
    out.counter("diskhb_copy_runs_total", "Runs of the copy command.", names,
                number_of(copy, "runs"));
    out.counter("diskhb_copy_failures_total", "Runs that failed.", names,
                number_of(copy, "failures"));
    out.counter("diskhb_copy_timeouts_total", "Runs that were killed.", names,
                number_of(copy, "timeouts"));
    out.counter("diskhb_copy_writes_total", "Writes that the runs were for.", names,
                number_of(copy, "flushes"));
}

void add_copy_builtin(exposition& out, const labels& names, const json& copy) {
    add_latencies(out, "diskhb_copy_lag_seconds", "From finding a write to its copy on the target.",
                  names, copy, "lag_us");
    out.gauge("diskhb_copy_lag_most_seconds", "The longest of these since diskhb-copyd started.",
              names, number_of(copy, "lag_us_most") / 1e6);
    out.counter("diskhb_copy_blocks_announced_total", "Table blocks written to the target.", names,
                number_of(copy, "blocks_announced"));
    out.counter("diskhb_copy_ring_bytes_total", "Bytes of the ring written to the target.", names,
                number_of(copy, "ring_bytes_written"));
}

// How this node's writes reach the other site.
void add_copy(exposition& out, const std::string& ring, const json& copy) {
    const auto mode = text_of(copy, "mode");
    if (mode.empty() || mode == "none") {
        return;
    }
    const labels names = {{"ring", ring}};
    out.gauge("diskhb_copy_info", "Who copies this node's writes; always 1.",
              {{"ring", ring}, {"mode", mode}}, 1);
    out.counter("diskhb_copy_peer_requests_total", "Requests of other nodes to copy now.", names,
                number_of(copy, "peer_requests"));
    if (mode == "storage") {
        return;  // which says nothing of it
    }
    const auto state = text_of(copy, "state");
    out.gauge("diskhb_copy_ok", "Whether the writes are copied without a failure.", names,
              one_if(state == "copying" || state == "idle" || state == "running"));
    gauge_seconds(out, "diskhb_copy_behind_seconds", "Age of the oldest write not copied yet.",
                  names, copy, "behind_ms");
    out.counter("diskhb_copy_requests_total", "Requests of this node to copy now.", names,
                number_of(copy, "requests"));
    if (mode == "builtin") {
        add_copy_builtin(out, names, copy);
    } else {
        add_copy_command(out, names, copy);
    }
}

void add_ring(exposition& out, const json& reply) {
    const auto ring = text_of(reply, "interface");
    const labels names = {{"ring", ring}};
    add_ring_states(out, "diskhb_ring_state", "State of the ring: 1 for the one that it is in.",
                    names, reply);
    out.gauge("diskhb_ring_interface_up", "Whether the interface of the ring is up.", names,
              one_if(flag_of(reply, "interface_up")));
    gauge_seconds(out, "diskhb_ring_io_pending_seconds", "Age of the oldest I/O under way.", names,
                  reply, "io_pending_ms");
    add_latencies(out, "diskhb_ring_write_latency_seconds", "Time of a write to the volume.", names,
                  reply, "write_latency_us");
    add_latencies(out, "diskhb_ring_read_latency_seconds", "Time of a read of the volume.", names,
                  reply, "read_latency_us");
    out.gauge("diskhb_ring_memory_bytes", "Buffers of the ring, fixed at start.", names,
              number_of(reply, "memory_bytes"));
    gauge_seconds(out, "diskhb_ring_ttl_seconds", "Age at which a frame is dropped.", names, reply,
                  "ttl_ms");
    gauge_seconds(out, "diskhb_ring_read_deadline_seconds",
                  "Time in which others should read what is written.", names, reply,
                  "read_deadline_ms");
    add_counters(out, ring, reply);
    add_routed(out, ring, reply);
    for (const auto& peer : list_of(reply, "peers")) {
        add_peer(out, ring, peer);
    }
    for (const auto& area : list_of(reply, "receive")) {
        add_receive_area(out, ring, area);
    }
    add_copy(out, ring, object_of(reply, "copy"));
}

void add_quorum_volume(exposition& out, const json& volume) {
    const labels names = {{"volume", text_of(volume, "path")}};
    out.gauge("diskhb_quorum_volume_ok", "Whether the quorum volume is read and written.", names,
              one_if(text_of(volume, "state") == "ok"));
    gauge_seconds(out, "diskhb_quorum_volume_io_pending_seconds", "Age of the I/O under way.",
                  names, volume, "io_pending_ms");
    add_latency(out, "diskhb_quorum_volume_write_latency_seconds", "Time of a write.", names,
                volume, "write_latency_us_p50", "0.5");
    add_latency(out, "diskhb_quorum_volume_read_latency_seconds", "Time of a read.", names, volume,
                "read_latency_us_p50", "0.5");
    out.counter("diskhb_quorum_volume_writes_total", "Writes to the quorum volume.", names,
                number_of(volume, "writes"));
    out.counter("diskhb_quorum_volume_reads_total", "Reads of the quorum volume.", names,
                number_of(volume, "reads"));
    out.counter("diskhb_quorum_volume_losses_total", "Times the quorum volume was lost.", names,
                number_of(volume, "times_lost"));
}

void add_quorum(exposition& out, const json& reply) {
    const auto corosync = object_of(reply, "corosync");
    out.gauge("diskhb_quorum_ready", "Whether the blocks of this node reach the volumes in time.",
              {}, one_if(flag_of(reply, "ready")));
    out.gauge("diskhb_quorum_vote", "Whether the device votes for this node.", {},
              one_if(text_of(object_of(reply, "vote"), "state") == "yes"));
    out.gauge("diskhb_quorum_vote_valid_seconds",
              "How long the vote lasts if nothing more is read.", {},
              number_of(object_of(reply, "vote"), "valid_for_ms") / 1000);
    out.gauge("diskhb_quorum_grant_holder", "Id of the node that holds the grant; 0 for none.", {},
              number_of(object_of(reply, "grant"), "holder"));
    out.gauge("diskhb_quorum_registered", "Whether the device is registered with Corosync.", {},
              one_if(flag_of(corosync, "registered")));
    out.gauge("diskhb_quorum_quorate", "Whether Corosync says that this node is quorate.", {},
              one_if(flag_of(corosync, "quorate")));
    out.counter("diskhb_quorum_polls_total", "Votes told to Corosync.", {},
                number_of(corosync, "polls"));
    out.counter("diskhb_quorum_polls_refused_total", "Of these, for a ring that was gone.", {},
                number_of(corosync, "polls_refused"));
    for (const auto& volume : list_of(reply, "volumes")) {
        add_quorum_volume(out, volume);
    }
    for (const auto& node : list_of(reply, "nodes")) {
        const labels names = {{"node", fmt::format("{:.0f}", number_of(node, "node"))},
                              {"name", text_of(node, "name")}};
        out.gauge("diskhb_quorum_node_running", "Whether the node's quorum daemon is seen.", names,
                  one_if(text_of(node, "state") == "running"));
        out.gauge("diskhb_quorum_node_vote", "Whether the device votes for the node.", names,
                  one_if(text_of(node, "vote") == "yes"));
    }
}

}  // namespace

std::string metrics_text(const json& ring, const json& quorum) {
    exposition out;
    add_daemon(out, "diskhbd", ring);
    add_daemon(out, "diskhb-quorumd", quorum);
    for (const auto& each : list_of(ring, "rings")) {
        add_ring(out, each);
    }
    for (const auto& each : list_of(ring, "routes")) {
        add_route(out, each);
    }
    if (!quorum.is_null()) {
        add_quorum(out, quorum);
    }
    return out.text();
}

std::string http_answer(const char* status, const std::string& type, const std::string& body) {
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        status, type, body.size(), body);
}

}  // namespace diskhb::tools
