// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/replication/copy_protocol.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plugin/daemon/control_reply.hpp"

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;

double to_us(std::chrono::nanoseconds value) { return static_cast<double>(value.count()) / 1e3; }
double to_ms(std::chrono::nanoseconds value) { return static_cast<double>(value.count()) / 1e6; }

json counters_json(const replication::copy_job_status& job) {
    const auto& counts = job.counters;
    return {{"table_reads", counts.table_reads},
            {"torn_reads", counts.torn_reads},
            {"rejected_reads", counts.rejected_reads},
            {"stale_reads", counts.stale_reads},
            {"blocks_announced", counts.blocks_announced},
            {"ring_bytes_read", counts.ring_bytes_read},
            {"ring_bytes_written", counts.ring_bytes_written},
            {"ring_writes", counts.ring_writes},
            {"lives", counts.lives},
            {"laps", counts.laps},
            {"restarts", counts.restarts},
            {"source_losses", job.source_losses},
            {"target_losses", job.target_losses}};
}

json ring_json(const copy_snapshot& ring) {
    const auto& job = ring.job;
    const bool was_announced = job.incarnation != 0;
    return {{"interface", ring.ring->interface},
            {"source", ring.ring->roles.send_volume},
            {"target", ring.ring->roles.copy.target},
            {"rate_bytes_per_s", ring.ring->roles.copy.rate_bytes_per_s},
            {"state", copy_job_state_name(job.state)},
            {"error", job.error},
            {"incarnation", was_announced ? fmt::format("{:016x}", job.incarnation) : ""},
            {"beat", job.beat},
            {"announced_ago_ms", was_announced ? json(to_ms(job.announced_ago)) : json()},
            {"behind_ms", to_ms(job.behind)},
            {"lag_us_p50", to_us(job.lag_p50)},
            {"lag_us_p99", to_us(job.lag_p99)},
            {"lag_us_most", to_us(job.lag_most)},
            {"memory_bytes", job.memory_bytes},
            {"counters", counters_json(job)}};
}

}  // namespace

std::string copy_status_reply(const daemon_config& config, const std::vector<copy_snapshot>& rings,
                              std::chrono::seconds uptime) {
    auto value = begin_status(
        {config.cluster_name, config.node_id, config.node_name, config.corosync_conf_path}, uptime);
    value["rings"] = json::array();
    for (const auto& ring : rings) {
        value["rings"].push_back(ring_json(ring));
    }
    return to_line(value);
}

std::string copy_done_reply(bool has_waited, std::chrono::nanoseconds took) {
    json value{{"ok", true}, {"copied", has_waited}};
    if (has_waited) {
        value["took_ms"] = to_ms(took);
    }
    return to_line(value);
}

std::string copy_summary(const copy_snapshot& ring) {
    const bool copies = ring.job.state == replication::copy_job_state::copying;
    return fmt::format("{} {}{}", ring.ring->interface, copy_job_state_name(ring.job.state),
                       copies ? " to " + ring.ring->roles.copy.target : "");
}

std::string copy_change_text(const copy_snapshot& ring) {
    return fmt::format("ring {}: copying {} to {}: {}{}{}", ring.ring->interface,
                       ring.ring->roles.send_volume, ring.ring->roles.copy.target,
                       copy_job_state_name(ring.job.state), ring.job.error.empty() ? "" : ": ",
                       ring.job.error);
}

}  // namespace diskhb::daemon
