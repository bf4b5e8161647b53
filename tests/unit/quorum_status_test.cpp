// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/quorum_status.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/quorum/quorum_log.hpp"

namespace diskhb::quorum {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t second_ns = 1'000'000'000;

quorum_config two_nodes() {
    quorum_config config;
    config.cluster_name = "tide";
    config.corosync_conf_path = "/etc/corosync/corosync.conf";
    config.node_id = 1;
    config.node_name = "n1";
    config.nodes = {{1, "n1"}, {2, "n2"}};
    config.volumes = {"/dev/q"};
    config.device.votes = 1;
    config.times = complete(config.times);
    return config;
}

lease_options options_for(const quorum_config& config) {
    lease_options options;
    options.slot = 0;
    options.slots = format::slots_max;
    options.incarnation = 0x9c41;
    options.times = config.times;
    return options;
}

// A lease whose volume does what it should, alone with its Corosync, until it votes.
class voting_lease {
  public:
    explicit voting_lease(const quorum_config& config) : lease_(options_for(config)) {
        slot_set members;
        members.set(0);
        step(time_has_passed{});
        step(ring_has_changed{{1, 0x1c}, members, false});
        for (int round = 0; round < 2000 && lease_.vote().vote != format::vote_state::yes;
             ++round) {
            now_ns_ += 50'000'000;
            step(time_has_passed{});
            step(poll_was_accepted{lease_.vote().generation});
        }
    }
    const lease& get() const { return lease_; }
    std::uint64_t now_ns() const { return now_ns_; }

  private:
    void step(const lease_input& input) {
        const auto actions = lease_.step(input, now_ns_);
        if (!actions.writes.empty()) {
            on_volume_ = lease_.block();
            step(volume_was_written{0, true});
        } else if (!actions.reads.empty()) {
            std::vector<sighting> table(format::slots_max);
            if (on_volume_.sequence != 0) {
                table[0] = {sighting::kind::intact,
                            {on_volume_.incarnation, on_volume_.sequence},
                            &on_volume_};
            }
            step(volume_was_read{0, now_ns_, table});
        }
    }

    lease lease_;
    std::uint64_t now_ns_ = second_ns;
    format::quorum_block on_volume_;
};

json status_of(const quorum_config& config, const voting_lease& state) {
    quorum_snapshot snapshot;
    snapshot.now_ns = state.now_ns();
    snapshot.started_ns = second_ns;
    snapshot.vote_since_ns = state.now_ns() - second_ns;
    snapshot.incarnation = 0x9c41;
    snapshot.corosync.is_connected = true;
    snapshot.corosync.ring = {1, 0x1c};
    volume_snapshot volume;
    volume.path = "/dev/q";
    volume.state = "ok";
    volume.last_read_ago_ns = 90'000'000;
    snapshot.volumes = {volume};
    return json::parse(quorum_status_reply(config, state.get(), snapshot));
}

TEST(quorum_status, shows_vote_grant_volumes_and_nodes) {
    const auto config = two_nodes();
    const voting_lease state(config);
    const auto reply = status_of(config, state);
    EXPECT_EQ(reply["ok"], true);
    EXPECT_EQ(reply["mode"], "last-man-standing");
    EXPECT_EQ(reply["incarnation"], "0000000000009c41");
    EXPECT_EQ(reply["state"], "running");
    EXPECT_EQ(reply["ready"], true);
    EXPECT_EQ(reply["vote"]["state"], "yes");
    EXPECT_EQ(reply["vote"]["since_ms"], 1000);
    EXPECT_GT(reply["vote"]["valid_for_ms"], 0);
    EXPECT_EQ(reply["vote"]["ring"], "1.1c");
    EXPECT_GT(reply["vote"]["epoch"], 0);
    EXPECT_EQ(reply["grant"]["holder"], 1);
    EXPECT_EQ(reply["grant"]["members"], json::array({1}));
    EXPECT_EQ(reply["grant"]["epoch"], reply["vote"]["epoch"]);
    EXPECT_EQ(reply["corosync"]["ring"], "1.1c");
    EXPECT_EQ(reply["volumes"][0]["last_read_ago_ms"], 90);
    EXPECT_TRUE(reply["volumes"][0]["last_write_ago_ms"].is_null());
    EXPECT_EQ(reply["nodes"][0]["state"], "running");
    EXPECT_EQ(reply["nodes"][0]["granting"], "granted");
    EXPECT_EQ(reply["nodes"][1]["state"], "unknown");
    EXPECT_TRUE(reply["nodes"][1]["seen_ago_ms"].is_null());
    EXPECT_EQ(reply["timings"]["take_ms"], config.times.take.count());
}

TEST(quorum_status, shows_no_vote_and_no_grant_before_there_is_one) {
    const auto config = two_nodes();
    const lease fresh(options_for(config));
    quorum_snapshot snapshot;
    snapshot.now_ns = second_ns;
    const auto reply = json::parse(quorum_status_reply(config, fresh, snapshot));
    EXPECT_EQ(reply["vote"]["state"], "no");
    EXPECT_EQ(reply["vote"]["valid_for_ms"], 0);
    EXPECT_TRUE(reply["grant"].is_null());
    EXPECT_EQ(reply["state"], "starting");
}

TEST(quorum_status, puts_the_state_in_one_line_of_words) {
    const auto config = two_nodes();
    const voting_lease state(config);
    EXPECT_THAT(summary(state.get(), state.now_ns()),
                HasSubstr("voting yes in ring 1.1c; we hold the grant for ring 1.1c (node 1)"));
    EXPECT_EQ(summary(lease(options_for(config)), second_ns), "no vote: Corosync is in no ring");
}

TEST(quorum_status, writes_rings_and_nodes_as_corosync_does) {
    EXPECT_EQ(ring_text({1, 0x1c}), "1.1c");
    EXPECT_EQ(ring_text({}), "");
    slot_set slots;
    slots.set(0);
    slots.set(127);
    EXPECT_THAT(nodes_of(slots), ElementsAre(1, 128));
}

TEST(quorum_status, understands_its_two_requests_only) {
    EXPECT_EQ(parse_quorum_request(R"({"verb":"status"})").verb, quorum_verb::status);
    EXPECT_EQ(parse_quorum_request(R"({"verb":"version"})").verb, quorum_verb::version);
    EXPECT_THAT(parse_quorum_request(R"({"verb":"stop"})").error, HasSubstr("unknown verb"));
    EXPECT_THAT(parse_quorum_request("status").error, HasSubstr("one JSON object"));
    EXPECT_THAT(parse_quorum_request("{}").error, HasSubstr("\"verb\" is missing"));
}

}  // namespace
}  // namespace diskhb::quorum
