// SPDX-License-Identifier: BSD-3-Clause
// Turns snapshots of a ring into log lines: one at each change of the ring or of a peer, one when
// the volume stops answering, and a sum now and then of what was lost. Pure: time comes in, lines
// come out. One thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugin/daemon/message_ids.hpp"
#include "plugin/ring/config.hpp"

namespace diskhb::daemon {

enum class log_level { info, warning, error };

struct log_line {
    log_level level = log_level::info;
    std::string text;
    const char* message_id = message_id::none;  // for the journal
};

class change_log {
  public:
    // Losses are summed up over this long before they make another line.
    static constexpr std::chrono::seconds loss_interval{10};
    // An I/O that lasts longer than this makes a line.
    static constexpr std::chrono::milliseconds stall_min{1000};
    // A late peer must read in time for this long before that makes a line.
    static constexpr std::chrono::milliseconds in_time_min{1000};

    // `config` outlives it.
    explicit change_log(const ring_config& config) : config_(config) {}

    std::vector<log_line> observe(const statistics& now, std::chrono::nanoseconds clock);

  private:
    void observe_ring(const statistics& now, std::vector<log_line>& lines);
    void observe_stall(const statistics& now, std::chrono::nanoseconds clock,
                       std::vector<log_line>& lines);
    void observe_peers(const statistics& now, std::chrono::nanoseconds clock,
                       std::vector<log_line>& lines);
    bool is_late_still(const peer_status& peer, std::chrono::nanoseconds clock);
    void observe_areas(const statistics& now, std::vector<log_line>& lines);
    void observe_state(const peer_status& peer, std::vector<log_line>& lines);
    void observe_hearing(const peer_status& peer, std::vector<log_line>& lines);
    void observe_losses(const statistics& now, std::chrono::nanoseconds clock,
                        std::vector<log_line>& lines);

    const ring_config& config_;
    std::optional<ring_state> state_;
    std::string error_;
    std::map<std::uint32_t, peer_state> peers_;
    std::map<std::uint32_t, std::chrono::nanoseconds> in_time_since_;  // of those told as late
    std::map<std::uint32_t, bool> hears_us_;
    // State and error of each receive volume, as last told.
    std::map<std::string, std::pair<ring_state, std::string>> areas_;
    std::optional<std::chrono::nanoseconds> stalled_since_;
    std::optional<std::chrono::nanoseconds> losses_told_;
    std::array<std::uint64_t, counter_count> counters_{};
};

// "dhb0 running, 2 of 2 peers alive": for systemctl status.
std::string summary(const ring_config& config, const statistics& now);

}  // namespace diskhb::daemon
