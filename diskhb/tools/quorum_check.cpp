// SPDX-License-Identifier: BSD-3-Clause
#include "tools/quorum_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;
using severity = finding::severity;

namespace {

class checker {
  public:
    explicit checker(const quorum_check_input& input) : input_(input) {}

    std::vector<finding> make() {
        daemon_checks();
        restart_check();
        wait_for_all_check();
        volume_checks();
        return found_.take();
    }

  private:
    void add(severity how_bad, const std::string& text) { found_.add(how_bad, text); }

    void daemon_checks() {
        const auto report = quorum::check(input_.config);
        for (const auto& text : report.errors) {
            add(severity::error, text);
        }
        for (const auto& text : report.warnings) {
            add(severity::advice, text);
        }
    }

    // Corosync waits in its sync phase for a daemon that hangs, and calls its partition quorate
    // meanwhile (doc/timeouts.md, "The daemon is frozen").
    void restart_check() {
        const auto& times = input_.config.times;
        if (times.take < unit_restart + times.drop) {
            add(severity::advice,
                fmt::format("take = {} ms is shorter than WatchdogSec + RestartSec of "
                            "diskhb-quorumd.service as it is delivered ({} ms) + drop {} ms: a "
                            "daemon that hangs while the ring changes would be started anew too "
                            "late; raise quorum.device.timeout, or lower WatchdogSec",
                            times.take.count(), unit_restart.count(), times.drop.count()));
        }
    }

    // With it, a node that was without quorum for a moment waits for all nodes and the device again
    // (exec/votequorum.c, are_we_quorate).
    void wait_for_all_check() {
        const auto given = input_.conf.find("quorum.wait_for_all").value_or("");
        if (given == "1") {
            add(severity::advice,
                "quorum.wait_for_all = 1: a node that is without quorum for a moment, as while the "
                "vote of a dead node runs out, then waits for all nodes, and no last man stands; "
                "remove it unless that is wanted");
        } else {
            add(severity::note,
                "quorum.wait_for_all is not set: a node that starts alone and reaches the volume "
                "becomes quorate, and Pacemaker then fences the nodes that it has not seen");
        }
    }

    void volume_checks() {
        for (const auto& volume : input_.volumes) {
            volume_check(volume);
        }
        same_volume_check();
        const bool alone = input_.config.volumes.size() == 1;
        if (alone && input_.config.how == quorum::mode::last_man_standing) {
            add(severity::note,
                fmt::format("volumes: one. While it is lost the device has no vote, and all {} "
                            "nodes are needed for quorum; with three volumes one may be lost",
                            input_.config.nodes.size()));
        }
    }

    void volume_check(const quorum_volume_facts& volume) {
        const auto& config = input_.config;
        if (!volume.error.empty()) {
            add(severity::error, volume.error);
            return;
        }
        const auto slots = volume.content.measures.slots;
        for (const auto& node : config.nodes) {
            if (node.node_id > slots) {
                add(severity::error,
                    fmt::format("{}: has slots for nodes 1 to {}, but corosync.conf has node {}; "
                                "format it with --slots {} or more",
                                volume.path, slots, node.node_id, node.node_id));
                break;
            }
        }
        if (std::count(input_.ring_volumes.begin(), input_.ring_volumes.end(), volume.path) != 0) {
            add(severity::note,
                fmt::format("{}: carries a ring as well: who loses it loses both", volume.path));
        }
        if (!volume.device.refusal.empty()) {
            add(severity::error, fmt::format("{}: {}", volume.path, volume.device.refusal));
        }
        for (const auto& slot : volume.slots) {
            if (!slot.error && slot.block.state != format::quorum_state::stopped) {
                block_check(volume, slot);
            }
        }
    }

    // What another node wrote: to our device, and with our times? Each waits for the slowest.
    void block_check(const quorum_volume_facts& volume, const quorum_slot_report& slot) {
        if (slot.block.device.is_other_than(volume.device.identity)) {
            add(severity::error,
                fmt::format("{}: node {} writes to another device, of which this is a copy; all "
                            "nodes must use one device",
                            volume.path, slot.slot + 1U));
        }
        const auto ours = quorum::linger(input_.config.times).count();
        if (slot.block.linger_ms != ours) {
            add(severity::advice,
                fmt::format("{}: node {} wrote that its vote may outlive its block by {} ms, here "
                            "drop + quorum.device.timeout are {} ms; use the same files on all "
                            "nodes",
                            volume.path, slot.slot + 1U, slot.block.linger_ms, ours));
        }
    }

    void same_volume_check() {
        const auto& all = input_.volumes;
        for (auto one = all.begin(); one != all.end(); ++one) {
            for (auto other = one + 1; other != all.end(); ++other) {
                if (one->error.empty() && other->error.empty() &&
                    one->content.cluster == other->content.cluster) {
                    add(severity::error,
                        fmt::format("{} and {} are the same volume, or one is a copy of the other "
                                    "(uuid {}); format each by itself",
                                    one->path, other->path,
                                    format::to_string(one->content.cluster)));
                }
            }
        }
    }

    const quorum_check_input& input_;
    finding_list found_;
};

json timings_json(const quorum::timings& times) {
    return {{"interval_ms", times.interval.count()},
            {"drop_ms", times.drop.count()},
            {"take_ms", times.take.count()},
            {"settle_ms", times.settle.count()},
            {"margin_ms", times.margin.count()},
            {"answer_ms", times.answer.count()},
            {"device_timeout_ms", times.device_timeout.count()},
            {"sync_timeout_ms", times.sync_timeout.count()},
            {"detection_ms", times.detection.count()},
            {"recovery_max_ms", quorum::recovery_max(times).count()}};
}

}  // namespace

std::vector<finding> check_quorum(const quorum_check_input& input) { return checker(input).make(); }

json to_json(const quorum_check_input& input, std::span<const finding> findings) {
    const auto& config = input.config;
    json report = {{"config", printable(config.path)},
                   {"corosync_conf", printable(config.corosync_conf_path)},
                   {"cluster_name", printable(config.cluster_name)},
                   {"node", config.node_id},
                   {"nodes", config.nodes.size()},
                   {"mode", quorum::name_of(config.how)},
                   {"device_votes", config.device.votes}};
    report.update(findings_json(findings));
    report["timings"] = timings_json(config.times);
    return report;
}

std::string to_text(const quorum_check_input& input, std::span<const finding> findings) {
    return findings_text(
        findings,
        fmt::format("mode {} with {} nodes and {} votes; after the death of a node "
                    "another partition has the vote within {} ms",
                    quorum::name_of(input.config.how), input.config.nodes.size(),
                    input.config.device.votes, quorum::recovery_max(input.config.times).count()));
}

}  // namespace diskhb::tools
