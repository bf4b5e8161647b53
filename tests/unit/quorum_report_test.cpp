// SPDX-License-Identifier: BSD-3-Clause
// What diskhb quorum dump and status print.
#include "tools/quorum_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/quorum_status_text.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

const format::superblock volume{.cluster = {1, 2, 3},
                                .cluster_name = "c",
                                .measures = *format::make_geometry(4096, 4, 256 * 1024, 4 << 20)};

// Node 3, which holds the grant of ring 1.1c with node 1.
format::quorum_block holder() {
    format::quorum_block block;
    block.node_id = 3;
    block.state = format::quorum_state::running;
    block.incarnation = 0x99;
    block.sequence = 77;
    block.ready = true;
    block.score = 5;
    block.ring = {1, 0x1c};
    block.ring_members.set(0);
    block.ring_members.set(2);
    block.joined = {130, 0x99};
    block.accepted = 130;
    block.granting = format::grant_state::granted;
    block.value = {130, block.ring, block.ring_members};
    block.renewal = 40;
    block.vote = format::vote_state::yes;
    block.vote_epoch = 130;
    block.linger_ms = 7000;
    block.clock_ns = 45'000'000'000;
    block.granted_at_ns = 25'000'000'000;
    block.echoes[0] = {0x11, 66};
    return block;
}

std::vector<std::byte> encoded(const format::quorum_block& content) {
    std::vector<std::byte> block(volume.measures.block_bytes);
    format::encode_quorum(block, volume.measures, volume.cluster, content);
    return block;
}

std::string text_of(const quorum_slot_report& report) {
    std::string text;
    for (const auto& line : to_lines(report)) {
        text += line + "\n";
    }
    return text;
}

TEST(quorum_slot_report, shows_vote_grant_and_what_was_read) {
    const auto text = text_of(report_quorum_slot(encoded(holder()), volume, 2));
    EXPECT_THAT(text, HasSubstr("node 3    running  ring 1.1c of nodes 1 3  vote yes, under grant "
                                "130\n"));
    EXPECT_THAT(text, HasSubstr("grant 130: granted, for ring 1.1c of nodes 1 3, held for 20.0 s, "
                                "renewed 40 times\n"));
    EXPECT_THAT(text, HasSubstr("has joined ballot 130\n"));
    EXPECT_THAT(text, HasSubstr("may outlive a block by 7000 ms\n"));
    EXPECT_THAT(text, HasSubstr("has read  node 1 block 66\n"));
}

TEST(quorum_slot_report, shows_a_grant_that_was_given_up_and_to_whom) {
    auto block = holder();
    block.granting = format::grant_state::revoked;
    block.successor = {2, 0x20};
    block.vote = format::vote_state::no;
    block.ready = false;
    const auto text = text_of(report_quorum_slot(encoded(block), volume, 2));
    EXPECT_THAT(text, HasSubstr("running, not ready"));
    EXPECT_THAT(text, HasSubstr("vote no\n"));
    EXPECT_THAT(text, HasSubstr("grant 130: revoked"));
    EXPECT_THAT(text, HasSubstr("given up to ring 2.20\n"));
    EXPECT_THAT(text, Not(HasSubstr("held for")));
}

TEST(quorum_slot_report, says_why_a_slot_cannot_be_read) {
    auto block = encoded(holder());
    EXPECT_THAT(text_of(report_quorum_slot(block, volume, 1)), HasSubstr("misplaced"));
    block[200] ^= std::byte{1};
    const auto torn = report_quorum_slot(block, volume, 2);
    EXPECT_THAT(text_of(torn), HasSubstr("node 3    torn"));
    EXPECT_EQ(to_json(torn), json({{"node", 3}, {"block", "torn"}}));
    const std::vector<std::byte> empty(volume.measures.block_bytes);
    EXPECT_THAT(text_of(report_quorum_slot(empty, volume, 2)), HasSubstr("never seen"));
}

TEST(quorum_slot_report, has_every_field_in_json) {
    const auto report = to_json(report_quorum_slot(encoded(holder()), volume, 2));
    EXPECT_EQ(report["block"], "ok");
    EXPECT_EQ(report["state"], "running");
    EXPECT_EQ(report["incarnation"], "0000000000000099");
    EXPECT_EQ(report["members"], json({1, 3}));
    EXPECT_EQ(report["vote"], "yes");
    EXPECT_EQ(report["grant"]["ring"], "1.1c");
    EXPECT_EQ(report["grant"]["renewals"], 40);
    EXPECT_EQ(report["heard"][0]["node"], 1);
    auto idle = holder();
    idle.granting = format::grant_state::none;
    idle.value = {};
    EXPECT_TRUE(to_json(report_quorum_slot(encoded(idle), volume, 2))["grant"].is_null());
}

const char* const status = R"({"ok": true, "version": "0.1.0", "uptime_s": 73,
 "cluster_name": "lab", "node": 1, "name": "n1", "mode": "last-man-standing", "device_votes": 3,
 "score": 0, "state": "running", "ready": true,
 "vote": {"state": "yes", "since_ms": 70100, "valid_for_ms": 2610, "ring": "1.1c", "epoch": 1152},
 "grant": {"holder": 2, "ring": "1.1c", "members": [1, 2, 3, 4], "epoch": 1152,
           "held_for_ms": 70600, "age_ms": 210, "renewals": 141},
 "corosync": {"connected": true, "registered": true, "quorate": true, "ring": "1.1c",
              "members": [1, 2, 3, 4], "in_call_ms": 0, "polls": 20, "polls_refused": 1},
 "volumes": [{"path": "/dev/disk/by-id/x", "state": "lost", "error": "the device reported an error",
              "last_write_ago_ms": 4180, "last_read_ago_ms": null, "io_pending_ms": 3200,
              "write_latency_us_p50": 310, "write_latency_us_max": 2200,
              "read_latency_us_p50": 250, "read_latency_us_max": 1900, "times_lost": 1}],
 "nodes": [{"node": 2, "name": "n2", "state": "silent", "ring": "1.1c", "vote": "yes", "score": 7,
            "heuristics": "passed", "ready": true, "granting": "granted", "seen_ago_ms": null,
            "hears_us": true}]})";

TEST(quorum_status, says_who_votes_who_holds_the_grant_and_how_the_volumes_are) {
    const auto text = quorum_status_text(json::parse(status));
    EXPECT_THAT(text, HasSubstr("node 1 (n1) of cluster lab, diskhb-quorumd 0.1.0, up 73 s\n"));
    EXPECT_THAT(text, HasSubstr("vote yes for 70 s, under grant 1152, good for another 2610 ms\n"));
    EXPECT_THAT(text, HasSubstr("grant 1152 held by node 2 (n2) for 70 s, renewed 141 times, last "
                                "seen 210 ms ago; ring 1.1c of nodes 1 2 3 4\n"));
    EXPECT_THAT(text, HasSubstr("Corosync connected, device registered, quorate; ring 1.1c"));
    EXPECT_THAT(text, HasSubstr("volume /dev/disk/by-id/x: lost, the device reported an error"));
    EXPECT_THAT(text, HasSubstr("no answer for 3.2 s"));
    EXPECT_THAT(text, HasSubstr("2 (n2)          silent    1.1c          (yes) "));
    EXPECT_THAT(text, HasSubstr("    never  yes\n"));
}

TEST(quorum_status, stays_plain_when_nobody_holds_a_grant) {
    auto reply = json::parse(status);
    reply["grant"] = nullptr;
    reply["vote"] = {{"state", "no"}, {"since_ms", 3000}};
    const auto text = quorum_status_text(reply);
    EXPECT_THAT(text, HasSubstr("vote no for 3 s\n"));
    EXPECT_THAT(text, HasSubstr("nobody holds the grant\n"));
}

TEST(quorum_status, survives_a_reply_of_any_shape) {
    EXPECT_FALSE(quorum_status_text(json::object()).empty());
    for (const char* key : {"vote", "grant", "corosync", "volumes", "nodes", "node", "state"}) {
        for (const json& value : {json(5), json("\x1b[31m"), json::array({1, "a", nullptr}),
                                  json::object({{"members", 3}}), json(nullptr)}) {
            auto reply = json::parse(status);
            reply[key] = value;
            EXPECT_THAT(quorum_status_text(reply), Not(HasSubstr("\x1b"))) << key;
        }
    }
}

}  // namespace
}  // namespace diskhb::tools
