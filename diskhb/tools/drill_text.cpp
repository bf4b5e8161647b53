// SPDX-License-Identifier: BSD-3-Clause
#include "tools/drill_text.hpp"

#include <fmt/format.h>

#include "tools/text.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;
using watch::drill_report;
using watch::drill_result;

namespace {

constexpr const char* part_names[watch::latency_parts] = {"before", "switching", "on_ring",
                                                          "after"};

std::string ms_text(std::uint64_t us) {
    return us >= 100'000 ? fmt::format("{:.0f}", static_cast<double>(us) / 1000)
                         : fmt::format("{:.1f}", static_cast<double>(us) / 1000);
}

std::string optional_ms(const std::optional<std::uint32_t>& ms) {
    return ms ? fmt::format("{} ms", *ms) : "-";
}

std::uint64_t longest_gap_us(const drill_report& report) {
    std::uint64_t longest = 0;
    for (const auto& sender : report.senders) {
        longest = std::max(longest, sender.longest_gap_us);
    }
    return longest;
}

json latency_json(const drill_report& report) {
    json value = json::object();
    for (std::size_t part = 0; part < report.latency.size() && part < watch::latency_parts;
         ++part) {
        const auto& each = report.latency[part];
        value[part_names[part]] = {{"messages", each.messages},
                                   {"us_p50", each.us_p50},
                                   {"us_p99", each.us_p99},
                                   {"us_max", each.us_max}};
    }
    return value;
}

json senders_json(const drill_report& report) {
    json value = json::array();
    for (const auto& sender : report.senders) {
        value.push_back({{"node", sender.node_id},
                         {"received", sender.received},
                         {"lost", sender.lost},
                         {"duplicated", sender.duplicated},
                         {"reordered", sender.reordered},
                         {"corrupt", sender.corrupt},
                         {"complete", sender.is_complete},
                         {"longest_gap_us", sender.longest_gap_us}});
    }
    return value;
}

template <class Number>
json number_or_null(const std::optional<Number>& value) {
    return value ? json(*value) : json(nullptr);
}

}  // namespace

std::string checks_text(const std::vector<drill_check>& checks) {
    std::string text;
    for (const auto& each : checks) {
        const auto word = fmt::format("{:<8}", each.is_good ? "ok" : "UNSAFE");
        text += fmt::format("  {}{:<11}{}\n",
                            in_colour(each.is_good ? colour::good : colour::bad, word), each.what,
                            each.text);
    }
    return text;
}

json checks_json(const std::vector<drill_check>& checks) {
    json value = json::array();
    for (const auto& each : checks) {
        value.push_back({{"check", each.what}, {"ok", each.is_good}, {"text", each.text}});
    }
    return value;
}

std::string result_text(const drill_result& result, const watch::node_names& names) {
    std::string text = fmt::format("  {:<16}{:>10}{:>10}{:>14}{:>36}\n", "node", "noticed", "back",
                                   "longest gap", "latency p99 [ms]: before");
    text.back() = ' ';
    text += "/ on the ring / after\n";
    for (const auto& [node_id, report] : result.reports) {
        std::string latency;
        for (const std::size_t part : {0U, 2U, 3U}) {
            if (part < report.latency.size()) {
                latency += (latency.empty() ? "" : " / ") + ms_text(report.latency[part].us_p99);
            }
        }
        text += fmt::format("  {:<16}{:>10}{:>10}{:>11} ms{:>30}\n",
                            watch::name_of_node(node_id, names), optional_ms(report.detected_ms),
                            optional_ms(report.back_ms), ms_text(longest_gap_us(report)), latency);
    }
    text += fmt::format("  {} of {} deliveries, {} lost\n", result.delivered, result.expected,
                        result.lost);
    for (const auto& failure : result.failures) {
        text += "  " + in_colour(colour::bad, printable(failure)) + "\n";
    }
    return text +
           (result.has_passed
                ? in_colour(colour::good, "passed") +
                      fmt::format(": noticed after {} ms, no message lost, longest gap {} "
                                  "ms; the ring holds\n",
                                  result.detected_ms.value_or(0), ms_text(result.longest_gap_us))
                : in_colour(colour::bad, "FAILED") + "\n");
}

json result_json(const drill_result& result, const watch::node_names& names) {
    json value = {{"passed", result.has_passed},
                  {"failures", result.failures},
                  {"detected_ms", number_or_null(result.detected_ms)},
                  {"longest_gap_us", result.longest_gap_us},
                  {"expected", result.expected},
                  {"delivered", result.delivered},
                  {"lost", result.lost}};
    value["nodes"] = json::array();
    for (const auto& [node_id, report] : result.reports) {
        value["nodes"].push_back({{"node", node_id},
                                  {"name", watch::name_of_node(node_id, names)},
                                  {"detected_ms", number_or_null(report.detected_ms)},
                                  {"back_ms", number_or_null(report.back_ms)},
                                  {"longest_gap_us", longest_gap_us(report)},
                                  {"latency", latency_json(report)},
                                  {"quorum_losses", report.quorum_losses},
                                  {"membership_changes", report.membership_changes},
                                  {"ring_losses", report.ring_losses},
                                  {"problem", report.problem},
                                  {"senders", senders_json(report)}});
    }
    return value;
}

}  // namespace diskhb::tools
