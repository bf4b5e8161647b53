// SPDX-License-Identifier: BSD-3-Clause
// The messages of the process group: what comes out is what went in, and nothing else comes out.
#include "plugin/watch/group_message.hpp"

#include <gtest/gtest.h>

#include <random>

namespace diskhb::watch {
namespace {

view some_view() {
    view seen;
    seen.token = 7;
    seen.corosync = corosync::corosync_state::running;
    seen.runs_on = corosync::carrier::both;
    seen.is_quorate = true;
    seen.name = "n1";
    seen.members = {1, 2, 3};
    seen.others = {{2, true, false, true}, {3, true, true, true}};
    seen.heard = {2};
    seen.rings = {{1, false, 1234, "dhb0", "interface dhb0 is down"}};
    seen.cut_refusal = "not root";
    return seen;
}

drill_report some_report() {
    drill_report report;
    report.drill = 99;
    report.name = "n2";
    report.senders = {{1, 1000, 1, 2, 3, 4, true, 1'400'000}};
    report.latency = {{10, 1, 2, 3}, {}, {}, {40, 5, 6, 7}};
    report.quorum_losses = 1;
    report.detected_ms = 1300;
    report.problem = "none";
    return report;
}

std::vector<group_message> one_of_each() {
    drill_data data{5, false, 17, -1, 0x12345678, std::vector<std::byte>(100, std::byte{0x5a})};
    return {view_request{3},
            some_view(),
            drill_begin{5, 100, 1024, 60'000, 2'000, {{1, 100}, {2, 200}}},
            drill_phase{5, drill_part::during, true, 15'000},
            data,
            drill_end{5},
            some_report()};
}

TEST(group_message, comes_out_as_it_went_in) {
    for (const auto& message : one_of_each()) {
        const auto bytes = encode(message);
        const auto decoded = decode(bytes);
        ASSERT_TRUE(decoded.has_value()) << message.index();
        EXPECT_EQ(decoded->index(), message.index());
        // The encoding names every field.
        EXPECT_EQ(encode(*decoded), bytes) << message.index();
    }
    const auto seen = std::get<view>(*decode(encode(some_view())));
    EXPECT_EQ(seen.runs_on, corosync::carrier::both);
    EXPECT_EQ(seen.others[0].node_id, 2U);
    EXPECT_FALSE(seen.others[0].on_network);
    EXPECT_EQ(seen.rings[0].problem, "interface dhb0 is down");
    const auto report = std::get<drill_report>(*decode(encode(some_report())));
    EXPECT_EQ(report.detected_ms, 1300U);
    EXPECT_FALSE(report.back_ms.has_value());
    EXPECT_EQ(report.senders[0].longest_gap_us, 1'400'000U);
}

TEST(group_message, is_none_when_it_is_cut_short_or_has_more) {
    for (const auto& message : one_of_each()) {
        auto bytes = encode(message);
        for (std::size_t length = 0; length < bytes.size(); ++length) {
            EXPECT_FALSE(decode(std::span(bytes).first(length)).has_value()) << message.index();
        }
        bytes.push_back(std::byte{0});
        EXPECT_FALSE(decode(bytes).has_value()) << message.index();
    }
}

TEST(group_message, of_another_version_is_none) {
    auto bytes = encode(view_request{1});
    bytes[0] ^= std::byte{1};
    EXPECT_FALSE(decode(bytes).has_value());
    bytes = encode(view_request{1});
    bytes[4] = std::byte{200};
    EXPECT_FALSE(decode(bytes).has_value());
}

TEST(group_message, does_not_trust_counts_and_choices) {
    // The count of a list of participants: after magic, kind, drill, rate, bytes, life and silence.
    auto bytes = encode(drill_begin{5, 100, 1024, 60'000, 2'000, {{1, 100}}});
    const std::size_t count_at = 4 + 1 + 8 + 4 * 4;
    bytes[count_at] = bytes[count_at + 1] = std::byte{0xff};
    EXPECT_FALSE(decode(bytes).has_value());
    // A part of a drill that is none.
    bytes = encode(drill_phase{5, drill_part::during, true, 15'000});
    bytes[4 + 1 + 8] = std::byte{3};
    EXPECT_FALSE(decode(bytes).has_value());
}

TEST(group_message, of_any_bytes_is_decoded_without_harm) {
    std::mt19937_64 random(20260101);
    const auto messages = one_of_each();
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = encode(messages[random() % messages.size()]);
        for (auto changes = random() % 4 + 1; changes != 0; --changes) {
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        }
        bytes.resize(random() % 8 == 0 ? random() % (bytes.size() + 1) : bytes.size());
        if (const auto decoded = decode(bytes); decoded) {
            EXPECT_EQ(encode(*decoded), bytes);
        }
    }
}

TEST(group_message, cuts_what_is_too_long) {
    view seen = some_view();
    seen.name = std::string(10'000, 'x');
    seen.members.assign(1000, 1);
    const auto decoded = decode(encode(seen));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(std::get<view>(*decoded).name.size(), text_bytes_max);
    EXPECT_EQ(std::get<view>(*decoded).members.size(), nodes_max);
}

}  // namespace
}  // namespace diskhb::watch
