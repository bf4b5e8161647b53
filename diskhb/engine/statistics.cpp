// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/statistics.hpp"

namespace diskhb {

namespace {

struct counter_text {
    const char* name;
    const char* help;
};

constexpr std::array<counter_text, counter_count> counter_texts = {{
#define DISKHB_COUNTER_TEXT(name, help) {#name, help},
    DISKHB_COUNTERS(DISKHB_COUNTER_TEXT)
#undef DISKHB_COUNTER_TEXT
}};

counter_text text_of(counter which) noexcept {
    const auto index = static_cast<std::size_t>(which);
    return index < counter_texts.size() ? counter_texts[index] : counter_text{"unknown", ""};
}

}  // namespace

const char* counter_name(counter which) noexcept { return text_of(which).name; }

const char* counter_help(counter which) noexcept { return text_of(which).help; }

const char* ring_state_name(ring_state state) noexcept {
    switch (state) {
        case ring_state::waiting_for_volume:
            return "waiting_for_volume";
        case ring_state::watching_slot:
            return "watching_slot";
        case ring_state::running:
            return "running";
        case ring_state::volume_lost:
            return "volume_lost";
        case ring_state::refused:
            return "refused";
        case ring_state::stopped:
            return "stopped";
    }
    return "unknown";
}

const char* peer_state_name(peer_state state) noexcept {
    switch (state) {
        case peer_state::unknown:
            return "unknown";
        case peer_state::alive:
            return "alive";
        case peer_state::late:
            return "late";
        case peer_state::silent:
            return "silent";
        case peer_state::stopped:
            return "stopped";
        case peer_state::unseen:
            return "unseen";
    }
    return "unknown";
}

}  // namespace diskhb
