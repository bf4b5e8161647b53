// SPDX-License-Identifier: BSD-3-Clause
#include "tools/copy_attributes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "tools/reply_text.hpp"
#include "tools/verdict.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

namespace {

// From well to worst; what another version may say is worse than all.
constexpr std::array states = {
    "copying", "proving", "waiting_for_target", "stopped", "waiting_for_source", "refused"};
// Until a node writes, its copy cannot be proven to be another device: nothing is amiss.
constexpr std::size_t well_states = 2;

std::size_t rank_of(const std::string& state) {
    const auto* const found = std::find(states.begin(), states.end(), state);
    return static_cast<std::size_t>(found - states.begin());
}

std::string to_lines(const std::string& state, std::uint64_t behind_ms, bool is_ready,
                     const std::string& reason) {
    return fmt::format("state={}\nready={}\nbehind-ms={}\ndegraded={}\nreason={}\n", state,
                       is_ready ? 1 : 0, behind_ms, is_ready ? 0 : 1, reason);
}

std::string problem_of(const json& ring, double behind_ms_max) {
    const auto state = text_of(ring, "state");
    const auto error = text_of(ring, "error");
    if (rank_of(state) >= well_states) {
        return fmt::format("ring {} is not copied: {}{}{}", text_of(ring, "interface"), state,
                           error.empty() ? "" : ": ", error);
    }
    const auto behind_ms = number_of(ring, "behind_ms");
    if (behind_ms_max > 0 && behind_ms > behind_ms_max) {
        return fmt::format("the copy of ring {} is {:.1f} s behind", text_of(ring, "interface"),
                           behind_ms / 1000);
    }
    return "";
}

}  // namespace

std::string copy_attributes(const json& status, double behind_ms_max) {
    std::string worst;
    std::string reason;
    double behind_ms = 0;
    for (const auto& ring : list_of(status, "rings")) {
        const auto state = text_of(ring, "state");
        if (worst.empty() || rank_of(state) > rank_of(worst)) {
            worst = state;
        }
        behind_ms = std::max(behind_ms, number_of(ring, "behind_ms"));
        const auto problem = problem_of(ring, behind_ms_max);
        reason += (reason.empty() || problem.empty() ? "" : "; ") + problem;
    }
    if (worst.empty()) {
        return copy_attributes_without_daemon("diskhb-copyd names no ring that it copies");
    }
    return to_lines(worst, rounded_up(behind_ms), reason.empty(), reason);
}

std::string copy_attributes_without_daemon(const std::string& problem) {
    return to_lines("unreachable", 0, false, problem);
}

std::string copy_status_text(const json& status) {
    std::string text;
    for (const auto& ring : list_of(status, "rings")) {
        const auto state = text_of(ring, "state");
        const auto error = text_of(ring, "error");
        text += fmt::format("{:<16}{}{} to {}\n", text_of(ring, "interface"),
                            state_text(state, rank_of(state) < well_states, 20),
                            text_of(ring, "source"), text_of(ring, "target"));
        if (!error.empty()) {
            text += fmt::format("  {}\n", error);
        }
        const auto ago = age_text(ring, "announced_ago_ms");
        text += fmt::format(
            "  behind {:.1f} ms; lag {:.1f} ms (p50), {:.1f} ms (p99); "
            "last copied: {}\n",
            number_of(ring, "behind_ms"), number_of(ring, "lag_us_p50") / 1000,
            number_of(ring, "lag_us_p99") / 1000, ago == "never" ? ago : ago + " ago");
    }
    return text;
}

}  // namespace diskhb::tools
