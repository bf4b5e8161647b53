// SPDX-License-Identifier: BSD-3-Clause
// What is told of the interconnect, for what Corosync says. Three nodes, we are 1; link 1 is the
// ring.
#include "plugin/corosync/interconnect.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "plugin/watch/event_text.hpp"

namespace diskhb::corosync {
namespace {

using namespace std::chrono_literals;
using kind = interconnect_event_kind;
using nodes = std::vector<std::uint32_t>;

class interconnect_test : public testing::Test {
  protected:
    // Of each other node, whether network and ring are connected.
    struct way {
        std::uint32_t node_id;
        bool network;
        bool ring;
    };
    link_report links(std::vector<way> ways) {
        link_report report;
        report.local_node_id = 1;
        for (const auto& each : ways) {
            node_links node;
            node.node_id = each.node_id;
            node.links[0].connected = each.network;
            node.links[1].connected = each.ring;
            report.others.push_back(node);
        }
        return report;
    }
    // The events of a step, as text: "network-lost 2 3".
    std::vector<std::string> step(const interconnect_input& input) {
        std::vector<std::string> told;
        now_ += 100ms;
        for (const auto& event : machine_.step(input, now_)) {
            std::string text = name_of(event.kind);
            for (const auto node : event.node_ids) {
                text += fmt::format(" {}", node);
            }
            told.push_back(text);
        }
        return told;
    }
    void begin() {
        step(quorum_report{true, {3, 1, 2}});
        step(links({{2, true, true}, {3, true, true}}));
    }

    using texts = std::vector<std::string>;
    interconnect machine_{{1}};
    steady_time now_{1h};
};

TEST_F(interconnect_test, starts_when_links_and_quorum_are_known) {
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{});
    EXPECT_EQ(step(quorum_report{true, {1, 2, 3}}), texts{"started 1 2 3"});
    EXPECT_EQ(machine_.state().runs_on, carrier::network);
}

TEST_F(interconnect_test, tells_the_loss_of_the_network_and_what_the_cluster_runs_on) {
    begin();
    EXPECT_EQ(step(links({{2, false, true}, {3, false, true}})),
              (texts{"network-lost 2 3", "on-ring 2 3"}));
    EXPECT_EQ(machine_.state().runs_on, carrier::ring);
    EXPECT_EQ(step(links({{2, false, true}, {3, false, true}})), texts{});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{"network-back 2 3"});
    EXPECT_EQ(machine_.state().runs_on, carrier::network);
}

TEST_F(interconnect_test, runs_on_both_while_the_most_are_on_the_network) {
    step(quorum_report{true, {1, 2, 3, 4}});
    step(links({{2, true, true}, {3, true, true}, {4, true, true}}));
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}, {4, false, true}})),
              (texts{"network-lost 4", "on-ring 4"}));
    EXPECT_EQ(machine_.state().runs_on, carrier::both);
    step(links({{2, true, true}, {3, false, true}, {4, false, true}}));
    EXPECT_EQ(machine_.state().runs_on, carrier::ring);
}

TEST_F(interconnect_test, tells_the_loss_of_the_ring_while_the_network_is_there) {
    begin();
    EXPECT_EQ(step(links({{2, true, false}, {3, true, true}})), texts{"ring-lost 2"});
    EXPECT_EQ(machine_.state().runs_on, carrier::network);
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{"ring-back 2"});
}

TEST_F(interconnect_test, tells_that_nobody_is_reached) {
    begin();
    EXPECT_EQ(step(links({{2, false, false}, {3, false, false}})),
              (texts{"network-lost 2 3", "ring-lost 2 3", "cut-off"}));
    EXPECT_EQ(step(quorum_report{false, {1}}), (texts{"members 1", "inquorate"}));
    EXPECT_EQ(machine_.state().runs_on, carrier::nothing);
    EXPECT_EQ(step(quorum_report{true, {1, 2, 3}}), (texts{"members 1 2 3", "quorate"}));
}

TEST_F(interconnect_test, knows_that_the_ring_carries_when_it_comes_after_the_network_went) {
    begin();
    step(links({{2, true, false}, {3, true, true}}));
    EXPECT_EQ(step(links({{2, false, false}, {3, true, true}})), texts{"network-lost 2"});
    EXPECT_EQ(step(links({{2, false, true}, {3, true, true}})),
              (texts{"ring-back 2", "on-ring 2"}));
}

TEST_F(interconnect_test, a_node_that_has_left_has_no_network_to_lose) {
    begin();
    EXPECT_EQ(step(quorum_report{true, {1, 2}}), texts{"members 1 2"});
    EXPECT_EQ(step(links({{2, true, true}, {3, false, false}})), texts{});
}

TEST_F(interconnect_test, a_new_member_has_time_to_connect_its_ring) {
    begin();
    step(quorum_report{true, {1, 2}});
    step(links({{2, true, true}, {3, false, false}}));
    EXPECT_EQ(step(quorum_report{true, {1, 2, 3}}), texts{"members 1 2 3"});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, false}})), texts{});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, false}})), texts{"ring-lost 3"});
}

TEST_F(interconnect_test, a_new_member_whose_ring_does_not_come_is_told) {
    begin();
    step(quorum_report{true, {1, 2}});
    step(links({{2, true, true}, {3, false, false}}));
    step(quorum_report{true, {1, 2, 3}});
    step(links({{2, true, true}, {3, true, false}}));
    now_ += interconnect::settle_time;
    EXPECT_EQ(step(links({{2, true, true}, {3, true, false}})), texts{"ring-lost 3"});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, false}})), texts{});
}

TEST_F(interconnect_test, a_start_on_the_ring_is_no_news_but_its_end_is) {
    step(quorum_report{true, {1, 2, 3}});
    EXPECT_EQ(step(links({{2, false, true}, {3, false, true}})), texts{"started 1 2 3"});
    EXPECT_EQ(machine_.state().runs_on, carrier::ring);
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{"network-back 2 3"});
}

TEST_F(interconnect_test, tells_once_that_corosync_does_not_answer) {
    begin();
    for (unsigned i = 1; i < interconnect::silence_ticks; ++i) {
        now_ += 200ms;
        EXPECT_EQ(step(tick{}), texts{});
    }
    now_ += 500ms;
    EXPECT_EQ(step(tick{}), texts{"corosync-silent"});
    EXPECT_EQ(step(tick{}), texts{});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{"corosync-back"});
}

TEST_F(interconnect_test, corosync_is_not_silent_before_others_would_give_it_up) {
    step(totem_report{5650ms});
    begin();
    for (const auto began = now_; now_ - began < 5400ms;) {
        EXPECT_EQ(step(tick{}), texts{});
    }
    now_ += 300ms;
    EXPECT_EQ(step(tick{}), texts{"corosync-silent"});
    // A token that is shorter than what a busy host needs at times.
    step(totem_report{1000ms});
    EXPECT_EQ(machine_.silence(), interconnect::silence_least);
}

TEST_F(interconnect_test, any_sign_of_life_breaks_the_silence) {
    begin();
    for (unsigned i = 0; i < 100; ++i) {
        EXPECT_EQ(step(tick{}), texts{});
        EXPECT_EQ(step(i % 10 == 9 ? interconnect_input(sign_of_life{}) : tick{}), texts{});
    }
    for (unsigned i = 0; i < 20; ++i) {
        EXPECT_EQ(step(tick{}), texts{});
    }
    EXPECT_EQ(step(tick{}), texts{"corosync-silent"});
    // It lives, but what is so now is known with the next report only.
    EXPECT_EQ(step(sign_of_life{}), texts{});
    EXPECT_EQ(machine_.state().corosync, corosync_state::silent);
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{"corosync-back"});
}

TEST_F(interconnect_test, a_host_that_stood_still_says_nothing_of_corosync) {
    begin();
    now_ += 10 * interconnect::silence_least;
    EXPECT_EQ(step(tick{}), texts{});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), texts{});
}

TEST_F(interconnect_test, knows_nothing_when_corosync_has_gone) {
    EXPECT_EQ(step(corosync_gone{}), texts{"corosync-gone"});
    EXPECT_EQ(step(corosync_gone{}), texts{});
    begin();
    EXPECT_EQ(machine_.state().corosync, corosync_state::running);
    EXPECT_EQ(step(corosync_gone{}), texts{"corosync-gone"});
    EXPECT_FALSE(machine_.state().is_quorate);
    EXPECT_TRUE(machine_.state().members.empty());
    EXPECT_EQ(step(tick{}), texts{});
    step(quorum_report{true, {1, 2, 3}});
    EXPECT_EQ(step(links({{2, true, true}, {3, true, true}})), (texts{"corosync-back", "quorate"}));
}

TEST(event_text, says_who_is_concerned_and_what_the_cluster_runs_on) {
    interconnect_state state;
    state.corosync = corosync_state::running;
    state.is_quorate = true;
    state.runs_on = carrier::ring;
    state.local_node_id = 1;
    state.members = {1, 2, 3};
    const watch::node_names names{{2, "n2"}, {3, "bad\nname"}};
    const interconnect_event event{kind::network_lost, {2, 3}};
    EXPECT_EQ(watch::event_text(event, state, names),
              "network-lost: n2, bad?name are not reached over the network; quorate, on the ring");
    const auto json = watch::event_json(event, state, names, watch::wall_time(1500ms));
    EXPECT_EQ(json["event"], "network-lost");
    EXPECT_EQ(json["time"], "1970-01-01T00:00:01.500Z");
    EXPECT_EQ(json["runs_on"], "ring");
    const auto environment = watch::event_environment(event, state, names, {});
    EXPECT_EQ(environment[0], "DISKHB_EVENT=network-lost");
    EXPECT_EQ(environment[2], "DISKHB_EVENT_NODES=2 3");
}

}  // namespace
}  // namespace diskhb::corosync
