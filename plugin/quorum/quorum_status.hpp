// SPDX-License-Identifier: BSD-3-Clause
// The lines that go over the control socket of diskhb-quorumd: one JSON object a line. Requests:
// {"verb":"status"} and {"verb":"version"}. Pure; any thread. The reply to a status, on one line:
//
// {"ok": true, "version": "0.1.0", "pid": 812, "uptime_s": 73, "cluster_name": "lab", "node": 1,
//  "name": "n1", "corosync_conf": "/etc/corosync/corosync.conf", "mode": "last-man-standing",
//  "device_votes": 3, "score": 0, "incarnation": "9c41d3a7b2e05f68",
//  "state": "running",           // "starting" (watches its slot first), "running", "stopped"
//  "ready": true,                // its blocks reach a majority of the volumes in time
//  "vote": {"state": "yes",      // "yes", "no", "undecided": what votequorum is told
//           "since_ms": 70100, "valid_for_ms": 2610,  // 0 unless yes
//           "ring": "1.1c", "epoch": 1152},           // epoch 0 unless yes
//  "grant": {"holder": 1, "ring": "1.1c", "members": [1, 2, 3, 4], "epoch": 1152,
//            "held_for_ms": 70600,   // by the holder's clock; null before it is in force
//            "age_ms": 210,          // since we last saw its holder alive; 0 if that is us
//            "renewals": 141},       // the whole of "grant" is null when nobody holds one
//  "corosync": {"connected": true, "registered": true, "quorate": true, "ring": "1.1c",
//               "members": [1, 2, 3, 4], "in_call_ms": 0, "polls": 20, "polls_refused": 1},
//  "volumes": [{"path": "/dev/disk/by-id/x", "state": "ok",  // "opening", "ok", "lost"
//               "error": "",         // why it is lost
//               "last_write_ago_ms": 180, "last_read_ago_ms": 90,      // null: never
//               "io_pending_ms": 0,  // how long the present request has been on its way
//               "write_latency_us_p50": 310, "write_latency_us_max": 2200,
//               "read_latency_us_p50": 250, "read_latency_us_max": 1900,
//               "writes": 150, "reads": 300, "times_lost": 0}],
//  "nodes": [{"node": 1, "name": "n1",
//             "state": "running",    // "unknown" (no block yet), "starting", "running",
//                                    // "stopped", "silent" (no sign of life for drop)
//             "ring": "1.1c", "members": [1, 2, 3, 4], "vote": "yes", "score": 0,
//             "heuristics": "off",   // "off", "passed", "failed"
//             "ready": true, "granting": "granted",  // "none", "claimed", "accepted", "granted",
//                                                    // "revoked"
//             "seen_ago_ms": 210,    // null: never; 0 for ourselves
//             "hears_us": true}],    // its block shows one of ours of this life
//  "timings": {"interval_ms": 500, "drop_ms": 3000, "take_ms": 13764, "settle_ms": 1000,
//              "margin_ms": 500, "answer_ms": 24000, "device_timeout_ms": 10000,
//              "sync_timeout_ms": 30000, "recovery_max_ms": 18000}}
//
// Rings are written as Corosync prints them: node id and sequence, both hexadecimal. Errors:
// {"ok": false, "error": "...", "exit_code": 2}.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/quorum/lease.hpp"
#include "plugin/quorum/quorum_config.hpp"

namespace diskhb::quorum {

enum class quorum_verb { invalid, status, version };
struct quorum_request {
    quorum_verb verb = quorum_verb::invalid;
    std::string error;  // why it is invalid
};
quorum_request parse_quorum_request(std::string_view line);

// One volume as its disk thread sees it. Ages are nothing before the first success.
struct volume_snapshot {
    std::string path;
    const char* state = "opening";
    std::string error;
    std::optional<std::uint64_t> last_write_ago_ns;
    std::optional<std::uint64_t> last_read_ago_ns;
    std::uint64_t io_pending_ns = 0;
    std::uint64_t write_latency_ns_p50 = 0;
    std::uint64_t write_latency_ns_max = 0;
    std::uint64_t read_latency_ns_p50 = 0;
    std::uint64_t read_latency_ns_max = 0;
    std::uint64_t writes = 0;
    std::uint64_t reads = 0;
    std::uint64_t times_lost = 0;
};

struct corosync_snapshot {
    bool is_connected = false;
    bool is_registered = false;
    bool is_quorate = false;
    ring_id ring;
    slot_set members;
    std::uint64_t in_call_ns = 0;
    std::uint64_t polls = 0;
    std::uint64_t polls_refused = 0;
};

struct quorum_snapshot {
    std::uint64_t now_ns = 0;
    std::uint64_t started_ns = 0;
    std::uint64_t vote_since_ns = 0;
    std::uint64_t incarnation = 0;
    corosync_snapshot corosync;
    std::vector<volume_snapshot> volumes;
};

// "1.1c"; empty if it is not known.
std::string ring_text(const ring_id& ring);
// Node ids, ascending.
std::vector<std::uint32_t> nodes_of(const slot_set& slots);

// Replies without the line feed.
std::string quorum_status_reply(const quorum_config& config, const lease& state,
                                const quorum_snapshot& snapshot);

}  // namespace diskhb::quorum
