// SPDX-License-Identifier: BSD-3-Clause
// The figures of doc/timeouts.md are those that the code computes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/quorum/timing.hpp"
#include "tools/quorum_check.hpp"

namespace diskhb::quorum {
namespace {

std::string page(const std::string& name) {
    std::ifstream file(DISKHB_SOURCE_DIR "/diskhb/doc/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

milliseconds token_of(unsigned nodes) {
    std::string conf = "totem {\ncluster_name: x\n}\nnodelist {\n";
    for (unsigned node = 1; node <= nodes; ++node) {
        conf +=
            fmt::format("node {{\nnodeid: {0}\nname: n{0}\nring0_addr: 192.0.2.{0}\n}}\n", node);
    }
    return milliseconds(corosync::parse_corosync_conf(conf + "}\n", "x").totem.token_ms);
}
// token + consensus, which is 1.2 x token.
milliseconds detection_of(unsigned nodes) { return token_of(nodes) * 22 / 10; }

timings defaults() {
    timings times;
    times.detection = detection_of(2);
    return complete(times);
}
timings quick() {
    timings times;
    times.device_timeout = milliseconds(6000);
    times.sync_timeout = milliseconds(15000);
    times.detection = detection_of(2);
    return complete(times);
}

void expect_line(const std::string& line) {
    static const std::string text = page("timeouts.md");
    EXPECT_NE(text.find(line), std::string::npos) << line;
}

TEST(timeouts_doc, has_a_row_for_every_time_with_its_default) {
    const timings times = defaults();
    const std::map<std::string, milliseconds> rows = {{"interval", times.interval},
                                                      {"drop", times.drop},
                                                      {"take", times.take},
                                                      {"settle", times.settle},
                                                      {"margin", times.margin},
                                                      {"timeout", times.device_timeout},
                                                      {"sync_timeout", times.sync_timeout},
                                                      {"answer", times.answer},
                                                      {"detection", times.detection}};
    for (const auto& [name, value] : rows) {
        expect_line(fmt::format("\n| {} | {} ms | ", name, value.count()));
    }
}

TEST(timeouts_doc, compares_two_sets_of_times_as_the_code_computes_them) {
    const auto row = [](const char* name, const auto& compute) {
        expect_line(fmt::format("\n| {} | {} ms | {} ms |\n", name, compute(defaults()).count(),
                                compute(quick()).count()));
    };
    row("a vote outlives its block by at most (linger)", linger);
    row("take", [](const timings& times) { return times.take; });
    row("answer", [](const timings& times) { return times.answer; });
    row("after a death another partition has the vote within", recovery_max);
    EXPECT_TRUE(check(defaults()).safe());
    EXPECT_TRUE(check(quick()).safe());
    EXPECT_TRUE(check(quick()).warnings.empty());
}

TEST(timeouts_doc, names_the_relations_with_the_constants_of_the_code) {
    expect_line(
        fmt::format("- {} ms <= interval <= {} ms.", interval_min.count(), interval_max.count()));
    expect_line(fmt::format("- drop >= {} x interval:", intervals_in_drop_min));
    expect_line(fmt::format("- take >= (drop + timeout) x {}/{} + margin.", clock_ratio_numerator,
                            clock_ratio_denominator));
    expect_line(fmt::format("- answer + {} ms <= sync_timeout:", answer_reserve_min.count()));
}

// The figures at the head of the lines of each time-line, in tenths of seconds.
std::map<std::string, std::vector<long>> time_lines() {
    std::map<std::string, std::vector<long>> found;
    std::istringstream text(page("timeouts.md"));
    std::string heading;
    const std::regex event("^ +(\\d+)\\.(\\d)  .*");
    for (std::string line; std::getline(text, line);) {
        std::smatch parts;
        if (line.starts_with("### ")) {
            heading = line.substr(4);
        } else if (std::regex_match(line, parts, event)) {
            found[heading].push_back(std::stol(parts[1]) * 10 + std::stol(parts[2]));
        }
    }
    return found;
}

std::vector<long> tenths(const std::vector<milliseconds>& times) {
    std::vector<long> rounded;
    for (const auto each : times) {
        rounded.push_back(std::lround(static_cast<double>(each.count()) / 100));
    }
    return rounded;
}

TEST(timeouts_doc, draws_time_lines_with_the_times_of_the_code) {
    const timings times = defaults();
    const milliseconds zero(0);
    // take by the slowest clock, after the last block was read.
    const milliseconds silent = take_min(times.take, times.interval);
    const milliseconds taken_over = times.interval + times.drop / 2;
    const milliseconds decision = times.margin + 2 * times.interval;
    const milliseconds agreed = 2 * times.settle + decision + times.interval;
    const milliseconds thaw(30000);
    const std::map<std::string, std::vector<milliseconds>> expected = {
        {"A node is killed",
         {zero, times.interval, taken_over, times.drop, times.detection,
          times.detection + times.settle, silent, recovery_max(times),
          times.detection + times.answer, times.detection + times.sync_timeout}},
        {"The daemon is killed", {zero, taken_over, times.device_timeout, silent}},
        {"The daemon starts", {zero, times.drop, times.drop + 4 * times.interval, times.take}},
        {"The daemon is frozen",
         {zero, times.drop, times.device_timeout, silent, zero, times.detection,
          recovery_max(times), times.detection + times.sync_timeout}},
        {"A disk hangs", {times.drop, silent}},
        {"A whole node is frozen, and goes on after 30 s",
         {zero, times.detection, recovery_max(times), thaw, thaw + token_of(2),
          thaw + detection_of(2)}},
        {"The volume is lost", {zero, times.drop}},
        {"The cluster splits in two halves",
         {zero, detection_of(4), detection_of(4) + times.settle, detection_of(4) + agreed}},
        {"A clean stop",
         {zero, times.interval + decision, times.settle + decision + times.interval}}};
    const auto found = time_lines();
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [heading, list] : expected) {
        ASSERT_EQ(found.count(heading), 1U) << heading;
        EXPECT_EQ(found.at(heading), tenths(list)) << heading;
    }
    expect_line(fmt::format("polled up to {:.1f} s ago",
                            static_cast<double>(times.device_timeout.count()) / 2000));
}

// The value in seconds of a key of the example unit.
milliseconds unit_time(const std::string& key) {
    std::ifstream file(DISKHB_SOURCE_DIR "/ha-configs/diskhb-quorumd.service");
    const std::regex setting(key + "=(\\d+)");
    for (std::string line; std::getline(file, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, setting)) {
            return std::chrono::seconds(std::stol(parts[1]));
        }
    }
    ADD_FAILURE() << key;
    return milliseconds(0);
}

// A daemon that hangs while the ring changes is back before another partition can have the vote.
TEST(timeouts_doc, lets_systemd_end_a_daemon_that_hangs_before_take_is_over) {
    const auto watchdog = unit_time("WatchdogSec");
    const auto restart = unit_time("RestartSec");
    EXPECT_EQ(watchdog + restart, tools::unit_restart);
    expect_line(fmt::format("({} + {} + {} s)", watchdog.count() / 1000, restart.count() / 1000,
                            defaults().drop.count() / 1000));
    EXPECT_LT(watchdog + restart + defaults().drop, defaults().take);
    EXPECT_LT(watchdog + restart + quick().drop, quick().take);
}

TEST(quorum_doc, has_the_votes_of_both_modes_for_every_number_of_nodes) {
    const std::string text = page("quorum.md");
    for (const unsigned nodes : {2U, 3U, 4U, 5U, 6U, 8U, 16U}) {
        std::string row = fmt::format("\n| {} |", nodes);
        for (const mode which : {mode::last_man_standing, mode::tie_breaker}) {
            const unsigned votes = device_votes(which, nodes);
            row += votes == 0 ? std::string(" - | - | - |")
                              : fmt::format(" {} | {} | {} |", votes, nodes + votes,
                                            (nodes + votes) / 2 + 1);
        }
        EXPECT_NE(text.find(row + "\n"), std::string::npos) << row;
    }
}

}  // namespace
}  // namespace diskhb::quorum
