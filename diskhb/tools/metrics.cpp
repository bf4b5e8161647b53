// SPDX-License-Identifier: BSD-3-Clause
#include "tools/metrics.hpp"

#include <fmt/format.h>

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
        text += c;
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
    out.gauge(name, help, names, number_of(object, key_us) / 1e6);
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

void add_peer(exposition& out, const std::string& ring, const json& peer) {
    const labels names = {{"ring", ring},
                          {"node", fmt::format("{:.0f}", number_of(peer, "node"))},
                          {"name", text_of(peer, "name")}};
    out.gauge("diskhb_peer_alive", "Whether the node's beat goes on, on the volume.", names,
              one_if(text_of(peer, "state") == "alive"));
    out.gauge("diskhb_peer_acknowledges", "Whether the node reads what this one writes.", names,
              one_if(flag_of(peer, "acknowledges_us")));
    gauge_seconds(out, "diskhb_peer_heard_ago_seconds", "Time since the node's last new beat.",
                  names, peer, "heard_ago_ms");
    out.gauge("diskhb_peer_unread_frames", "Frames of this node that the other has not read yet.",
              names, number_of(peer, "unread_by_peer"));
    out.counter("diskhb_peer_frames_read_total", "Frames of the node that were read.", names,
                number_of(peer, "frames_read"));
    out.counter("diskhb_peer_frames_lost_total", "Frames of the node that were lost.", names,
                number_of(peer, "frames_lost"));
}

void add_ring(exposition& out, const json& reply) {
    const auto ring = text_of(reply, "interface");
    const labels names = {{"ring", ring}};
    for (const auto state :
         {ring_state::waiting_for_volume, ring_state::watching_slot, ring_state::running,
          ring_state::volume_lost, ring_state::refused, ring_state::stopped}) {
        const auto* const name = ring_state_name(state);
        out.gauge("diskhb_ring_state", "State of the ring: 1 for the one that it is in.",
                  {{"ring", ring}, {"state", name}}, one_if(text_of(reply, "state") == name));
    }
    out.gauge("diskhb_ring_interface_up", "Whether the interface of the ring is up.", names,
              one_if(flag_of(reply, "interface_up")));
    gauge_seconds(out, "diskhb_ring_io_pending_seconds", "Age of the oldest I/O under way.", names,
                  reply, "io_pending_ms");
    for (const auto& [key, quantile] : {std::pair("p50", "0.5"), std::pair("p99", "0.99")}) {
        add_latency(out, "diskhb_ring_write_latency_seconds", "Time of a write to the volume.",
                    names, reply, fmt::format("write_latency_us_{}", key).c_str(), quantile);
    }
    for (const auto& [key, quantile] : {std::pair("p50", "0.5"), std::pair("p99", "0.99")}) {
        add_latency(out, "diskhb_ring_read_latency_seconds", "Time of a read of the volume.", names,
                    reply, fmt::format("read_latency_us_{}", key).c_str(), quantile);
    }
    out.gauge("diskhb_ring_memory_bytes", "Buffers of the ring, fixed at start.", names,
              number_of(reply, "memory_bytes"));
    gauge_seconds(out, "diskhb_ring_ttl_seconds", "Age at which a frame is dropped.", names, reply,
                  "ttl_ms");
    add_counters(out, ring, reply);
    for (const auto& peer : list_of(reply, "peers")) {
        add_peer(out, ring, peer);
    }
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
