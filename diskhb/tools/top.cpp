// SPDX-License-Identifier: BSD-3-Clause
#include "tools/top.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/reply_text.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;

namespace {

// "12.3 k", with a decimal power of a thousand.
std::string quantity(double value) {
    constexpr std::array units = {"", " k", " M", " G", " T"};
    std::size_t unit = 0;
    while (value >= 10000 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    return fmt::format("{:.{}f}{}", value, unit == 0 || value >= 100 ? 0 : 1, units[unit]);
}

// Growth a second. A daemon that was started anew begins at 0 again.
double rate(const json& before, const json& now, const char* key, double seconds) {
    const double grown = number_of(now, key) - number_of(before, key);
    return before.is_null() || seconds <= 0 || grown < 0 ? 0 : grown / seconds;
}

json find_by(const json& list, const char* key, const json& like) {
    const auto found = std::find_if(list.begin(), list.end(), [&](const json& each) {
        return each.contains(key) && like.contains(key) && each[key] == like[key];
    });
    return found == list.end() ? json() : *found;
}

// Of everything that a frame can be lost by.
double loss_rate(const json& before, const json& now, double seconds) {
    double sum = 0;
    for (const auto& [name, value] : now.items()) {
        if (name.starts_with("dropped_") || name.starts_with("lost_")) {
            sum += rate(before, now, name.c_str(), seconds);
        }
    }
    return sum;
}

std::string peer_line(const json& before, const json& peer, double seconds) {
    const auto state = text_of(peer, "state");
    // What it says it has read; alive and deaf means that the way from here to there is cut.
    const bool is_deaf = (state == "alive" || state == "late") && peer.contains("hears_us") &&
                         !flag_of(peer, "hears_us");
    return fmt::format("  {:<20}{}{:>12}{:>12}{:>10}{:>10.0f}{:>9.1f} ms{:>9.1f} ms{:>10.0f}{}\n",
                       node_text(peer), state_text(state, state == "alive", 10),
                       age_text(peer, "heard_ago_ms"),
                       quantity(rate(before, peer, "frames_read", seconds)),
                       quantity(rate(before, peer, "frames_lost", seconds)),
                       number_of(peer, "unread_by_peer"), number_of(peer, "lag_us_p50") / 1000,
                       number_of(peer, "lag_us_p99") / 1000, number_of(peer, "deadline_breaches"),
                       is_deaf ? in_colour(colour::bad, "  does not hear us") : "");
}

std::string receive_line(const json& area) {
    const auto state = text_of(area, "state");
    std::string nodes;
    for (const auto& node : list_of(area, "nodes")) {
        nodes += fmt::format("{}{}", nodes.empty() ? "" : ", ", node.dump());
    }
    return fmt::format(
        "  from nodes {} by {}: {}, read {} ago, reads take {:.0f} us (p99 {:.0f})\n", nodes,
        text_of(area, "volume"), state_text(state, state == "running", 0),
        age_text(area, "seen_ago_ms"), number_of(area, "read_latency_us_p50"),
        number_of(area, "read_latency_us_p99"));
}

// How this node's writes reach the other site; nothing for a ring on one volume.
std::string copy_line(const json& before, const json& copy, double seconds) {
    const auto mode = text_of(copy, "mode");
    const auto state = text_of(copy, "state");
    if (mode != "builtin" && mode != "command") {
        return mode == "storage" ? "  copied by the storage\n" : "";
    }
    const bool good = state == "copying" || state == "idle" || state == "running";
    const auto head = fmt::format("  copied by {}: {}, {:.1f} ms behind, ",
                                  mode == "builtin" ? "diskhb-copyd" : "a command",
                                  state_text(state, good, 0), number_of(copy, "behind_ms"));
    if (mode == "builtin") {
        return head + fmt::format("lag {:.1f} ms (p99 {:.1f}), {}/s, {}B/s\n",
                                  number_of(copy, "lag_us_p50") / 1000,
                                  number_of(copy, "lag_us_p99") / 1000,
                                  quantity(rate(before, copy, "blocks_announced", seconds)),
                                  quantity(rate(before, copy, "ring_bytes_written", seconds)));
    }
    return head + fmt::format("a run takes {:.1f} ms, {}/s, {:.0f} failed\n",
                              number_of(copy, "last_run_ms"),
                              quantity(rate(before, copy, "runs", seconds)),
                              number_of(copy, "failures"));
}

std::string ring_part(const json& before, const json& ring, double seconds) {
    const auto state = text_of(ring, "state");
    const auto error = text_of(ring, "error");
    auto text = fmt::format("\n{} {}  link {:.0f}  {}{}\n",
                            in_colour(colour::bold, text_of(ring, "interface")),
                            state_text(state, state == "running", 0), number_of(ring, "link"),
                            text_of(ring, "volume"), error.empty() ? "" : "  " + error);
    const auto counters = object_of(ring, "counters");
    const auto old_counters = object_of(before, "counters");
    const auto old = before.is_null() ? json() : old_counters;
    const auto per_second = [&](const char* key) {
        return quantity(rate(old, counters, key, seconds));
    };
    text += fmt::format("  out {}/s, {}B/s   in {}/s, {}B/s   dropped {}/s\n",
                        per_second("frames_submitted"), per_second("bytes_submitted"),
                        per_second("frames_delivered"), per_second("bytes_delivered"),
                        quantity(loss_rate(old, counters, seconds)));
    text += fmt::format(
        "  volume: writes {}/s, {:.0f} us (p99 {:.0f})   reads {}/s, {:.0f} us (p99 {:.0f})   "
        "oldest I/O {:.0f} ms\n",
        quantity(rate(old, counters, "table_writes", seconds) +
                 rate(old, counters, "ring_writes", seconds)),
        number_of(ring, "write_latency_us_p50"), number_of(ring, "write_latency_us_p99"),
        quantity(rate(old, counters, "table_reads", seconds) +
                 rate(old, counters, "ring_reads", seconds)),
        number_of(ring, "read_latency_us_p50"), number_of(ring, "read_latency_us_p99"),
        number_of(ring, "io_pending_ms"));
    for (const auto& area : list_of(ring, "receive")) {
        text += receive_line(area);
    }
    text += copy_line(before.is_null() ? json() : object_of(before, "copy"),
                      object_of(ring, "copy"), seconds);
    text +=
        fmt::format("  {:<20}{:<10}{:>12}{:>12}{:>10}{:>10}{:>12}{:>12}{:>10}\n", "node", "state",
                    "heard ago", "frames/s", "lost/s", "unread", "lag", "lag p99", "breaches");
    for (const auto& peer : list_of(ring, "peers")) {
        text += peer_line(find_by(list_of(before, "peers"), "node", peer), peer, seconds);
    }
    return text;
}

std::string quorum_part(const json& quorum) {
    const auto vote = text_of(object_of(quorum, "vote"), "state");
    const auto grant = object_of(quorum, "grant");
    std::size_t well = 0;
    const auto volumes = list_of(quorum, "volumes");
    for (const auto& volume : volumes) {
        well += text_of(volume, "state") == "ok" ? 1 : 0;
    }
    return fmt::format(
        "\n{} vote {}, valid for {:.0f} ms   grant of {}   {} of {} volumes   {}quorate\n",
        in_colour(colour::bold, "quorum device"), state_text(vote, vote == "yes", 0),
        number_of(object_of(quorum, "vote"), "valid_for_ms"),
        grant.empty() ? std::string("nobody")
                      : fmt::format("node {:.0f}", number_of(grant, "holder")),
        well, volumes.size(), flag_of(object_of(quorum, "corosync"), "quorate") ? "" : "NOT ");
}

}  // namespace

std::string top_picture(const top_input& input) {
    std::string text;
    if (input.now.is_null()) {
        text = in_colour(colour::bad, printable(input.problem)) + "\n";
    } else {
        text = fmt::format("node {} of cluster {}, diskhbd {}, up {}\n", node_text(input.now),
                           in_colour(colour::bold, text_of(input.now, "cluster_name")),
                           text_of(input.now, "version"),
                           duration_text(number_of(input.now, "uptime_s")));
        const auto rings = list_of(input.now, "rings");
        for (const auto& ring : rings) {
            text += ring_part(find_by(list_of(input.before, "rings"), "interface", ring), ring,
                              input.seconds);
        }
    }
    if (!input.quorum.is_null()) {
        text += quorum_part(input.quorum);
    }
    return text;
}

}  // namespace diskhb::tools
