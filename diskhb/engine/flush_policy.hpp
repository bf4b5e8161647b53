// SPDX-License-Identifier: BSD-3-Clause
// When the flusher writes and why. A pure decision over what is queued; called when nothing is in
// flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "diskhb/statistics.hpp"
#include "engine/clock.hpp"

namespace diskhb::engine {

struct flush_settings {
    bool when_idle = true;
    std::size_t fill_bytes = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t beat_ns = 0;
};

struct flush_input {
    std::size_t queued_bytes = 0;
    std::uint64_t oldest_ns = 0;      // submission of the oldest queued frame; with queued_bytes
    std::uint64_t last_write_ns = 0;  // when the table block was last written
    bool after_write = false;         // a write has just ended: these frames gathered meanwhile
    std::optional<std::uint64_t> acknowledge_by_ns;  // a peer waits for an acknowledgement
};

struct flush_decision {
    std::optional<counter> reason;            // write now, and count this wake
    std::uint64_t sleep_until_ns = never_ns;  // otherwise
};

inline flush_decision decide_flush(const flush_settings& settings, const flush_input& input,
                                   std::uint64_t now_ns) noexcept {
    flush_decision decision;
    const auto due = [&](std::uint64_t at_ns, counter reason) {
        if (now_ns >= at_ns) {
            decision.reason = decision.reason.value_or(reason);
        } else if (at_ns < decision.sleep_until_ns) {
            decision.sleep_until_ns = at_ns;
        }
    };
    if (input.queued_bytes > 0) {
        if (settings.when_idle) {
            decision.reason =
                input.after_write ? counter::wakes_write_done : counter::wakes_idle_device;
            return decision;
        }
        if (input.queued_bytes >= settings.fill_bytes) {
            decision.reason = counter::wakes_fill;
            return decision;
        }
        due(input.oldest_ns + settings.deadline_ns, counter::wakes_deadline);
    }
    if (input.acknowledge_by_ns) {
        due(*input.acknowledge_by_ns, counter::wakes_acknowledge);
    }
    due(input.last_write_ns + settings.beat_ns, counter::wakes_beat);
    return decision;
}

}  // namespace diskhb::engine
