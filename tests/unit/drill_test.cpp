// SPDX-License-Identifier: BSD-3-Clause
// A whole fire drill in one process: three participants and the script, with a group that delivers
// every message to all in one order, a clock that is moved by hand, and networks that are taken
// away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "plugin/watch/drill_participant.hpp"
#include "plugin/watch/drill_script.hpp"
#include "plugin/watch/network_cut.hpp"
#include "tools/drill_check.hpp"
#include "tools/drill_text.hpp"
#include "tools/pacemaker_health.hpp"

namespace diskhb::watch {
namespace {

using namespace std::chrono_literals;
using corosync::interconnect_event;
using kind = corosync::interconnect_event_kind;
using testing::Contains;
using testing::HasSubstr;

class drill_test : public testing::Test {
  protected:
    struct node {
        explicit node(std::uint32_t id) : participant(100 + id, "n" + std::to_string(id)) {
            state.corosync = corosync::corosync_state::running;
            state.runs_on = corosync::carrier::network;
            state.is_quorate = true;
            state.local_node_id = id;
            state.members = {1, 2, 3};
            for (std::uint32_t other = 1; other <= 3; ++other) {
                if (other != id) {
                    state.others.push_back({other, true, true, true});
                }
            }
        }
        drill_participant participant;
        corosync::interconnect_state state;
        bool is_cut = false;
        unsigned cuts = 0;
        bool gets_messages = true;
    };

    corosync::group_member member(std::uint32_t id) const { return {id, 100 + id}; }

    void begin(drill_plan plan) {
        plan.drill = 42;
        plan.before = plan.after = 2s;
        plan.during = 3s;
        plan.silence = 2s;
        plan.latency_max = 1s;
        for (std::uint32_t id = 1; id <= 3; ++id) {
            nodes_.emplace_back(id);
            plan.participants.push_back(member(id));
        }
        script_.emplace(plan);
        act(1, script_->start(now_));
    }

    void act(std::uint32_t id, const drill_actions& actions) {
        auto& self = nodes_[id - 1];
        for (const auto& action : actions) {
            if (const auto* const message = std::get_if<send_to_group>(&action)) {
                group_.emplace_back(member(id), encode(message->message));
            } else if (std::holds_alternative<cut_network>(action)) {
                self.is_cut = true;
                ++self.cuts;
                act(id, self.participant.on_cut("", now_));
            } else {
                self.is_cut = false;
            }
        }
    }

    void deliver() {
        while (!group_.empty()) {
            const auto [from, bytes] = group_.front();
            group_.pop_front();
            const auto message = decode(bytes);
            ASSERT_TRUE(message.has_value());
            if (const auto* const report = std::get_if<drill_report>(&*message)) {
                script_->on_report(from, *report);
                continue;
            }
            for (std::uint32_t id = 1; id <= 3; ++id) {
                auto& each = nodes_[id - 1];
                if (each.gets_messages) {
                    act(id, each.participant.on_message(from, *message, each.state, now_));
                }
            }
        }
    }

    void event(std::uint32_t id, kind what) {
        auto& each = nodes_[id - 1];
        const std::vector<interconnect_event> events{{what, {}}};
        act(id, each.participant.on_events(events, each.state, now_));
    }

    // Whoever is cut, and all whose way to it is, notice it a second later.
    void look_at_the_network() {
        const bool any =
            std::any_of(nodes_.begin(), nodes_.end(), [](auto& each) { return each.is_cut; });
        if (any && !cut_since_) {
            cut_since_ = now_;
        } else if (!any) {
            cut_since_.reset();
        }
        const bool is_down = cut_since_ && now_ - *cut_since_ > 1s;
        for (std::uint32_t id = 1; id <= 3; ++id) {
            auto& state = nodes_[id - 1].state;
            const auto carrier = is_down ? corosync::carrier::ring : corosync::carrier::network;
            if (state.runs_on != carrier) {
                state.runs_on = carrier;
                for (auto& other : state.others) {
                    other.on_network = !is_down;
                }
                event(id, is_down ? kind::network_lost : kind::network_back);
            }
        }
    }

    void run_until_done() {
        for (int step = 0; step < 20'000 && script_->stage() != drill_stage::done; ++step) {
            run_a_step();
        }
        ASSERT_EQ(script_->stage(), drill_stage::done);
    }
    void run_a_step() {
        now_ += 5ms;
        for (std::uint32_t id = 1; id <= 3; ++id) {
            act(id, nodes_[id - 1].participant.tick(nodes_[id - 1].state, now_));
        }
        act(1, script_->tick(nodes_[0].state, nodes_[0].participant.problem(), now_));
        look_at_the_network();
        deliver();
    }
    void run_to(drill_stage stage) {
        for (int step = 0; step < 20'000 && script_->stage() != stage; ++step) {
            run_a_step();
        }
        ASSERT_EQ(script_->stage(), stage);
    }

    std::deque<node> nodes_;
    std::optional<drill_script> script_;
    std::deque<std::pair<corosync::group_member, std::vector<std::byte>>> group_;
    corosync::steady_time now_{1h};
    std::optional<corosync::steady_time> cut_since_;
};

TEST_F(drill_test, passes_when_the_ring_carries) {
    begin({});
    run_until_done();
    const auto result = script_->result();
    EXPECT_TRUE(result.has_passed) << testing::PrintToString(result.failures);
    EXPECT_EQ(result.lost, 0U);
    // 100 a second of three nodes for 7 s, at three nodes.
    EXPECT_NEAR(static_cast<double>(result.expected), 6300, 100);
    EXPECT_EQ(result.delivered, result.expected);
    EXPECT_NEAR(result.detected_ms.value_or(0), 1000, 20);
    EXPECT_EQ(nodes_[0].cuts, 1U);
    EXPECT_EQ(nodes_[1].cuts, 0U);
    EXPECT_FALSE(nodes_[0].is_cut);
    EXPECT_EQ(result.reports.at(2).latency.size(), latency_parts);
    EXPECT_GT(result.reports.at(2).latency[2].messages, 100U);
    const auto text = tools::result_text(result, {{1, "n1"}, {2, "n2"}, {3, "n3"}});
    EXPECT_THAT(text, HasSubstr("passed"));
    EXPECT_EQ(tools::result_json(result, {})["nodes"].size(), 3U);
}

TEST_F(drill_test, takes_the_network_of_every_node_and_gives_it_back) {
    drill_plan plan;
    plan.for_all = true;
    begin(plan);
    run_to(drill_stage::during);
    run_a_step();
    for (const auto& each : nodes_) {
        EXPECT_TRUE(each.is_cut);
    }
    run_until_done();
    EXPECT_TRUE(script_->result().has_passed);
    for (const auto& each : nodes_) {
        EXPECT_FALSE(each.is_cut);
    }
}

TEST_F(drill_test, every_node_gives_its_network_back_by_itself_when_nothing_comes) {
    drill_plan plan;
    plan.for_all = true;
    begin(plan);
    run_to(drill_stage::during);
    run_a_step();
    // The ring carries nothing: no message reaches anybody any more.
    for (auto& each : nodes_) {
        each.gets_messages = false;
    }
    for (int step = 0; step < 450; ++step) {
        run_a_step();
    }
    for (const auto& each : nodes_) {
        EXPECT_FALSE(each.is_cut);
        EXPECT_THAT(each.participant.problem(), HasSubstr("nothing came of node"));
    }
    EXPECT_GE(script_->stage(), drill_stage::after);
}

TEST_F(drill_test, fails_and_gives_back_at_once_when_quorum_is_lost) {
    begin({});
    run_to(drill_stage::during);
    run_a_step();
    ASSERT_TRUE(nodes_[0].is_cut);
    nodes_[0].state.is_quorate = false;
    event(1, kind::inquorate);
    EXPECT_FALSE(nodes_[0].is_cut);
    nodes_[0].state.is_quorate = true;
    run_until_done();
    const auto result = script_->result();
    EXPECT_FALSE(result.has_passed);
    EXPECT_THAT(result.failures, Contains(HasSubstr("quorum was lost")));
}

TEST_F(drill_test, a_node_that_is_left_alone_gives_its_network_back) {
    drill_plan plan;
    plan.for_all = true;
    begin(plan);
    run_to(drill_stage::during);
    run_a_step();
    ASSERT_TRUE(nodes_[1].is_cut);
    // The process that began the drill has gone.
    act(2, nodes_[1].participant.on_group({member(2), member(3)}));
    EXPECT_FALSE(nodes_[1].is_cut);
    EXPECT_FALSE(nodes_[1].participant.is_active());
}

TEST_F(drill_test, sees_a_lost_message) {
    begin({});
    run_a_step();
    run_a_step();
    now_ += 10ms;
    for (std::uint32_t id = 1; id <= 3; ++id) {
        act(id, nodes_[id - 1].participant.tick(nodes_[id - 1].state, now_));
    }
    ASSERT_FALSE(group_.empty());
    group_.pop_front();
    run_until_done();
    const auto result = script_->result();
    EXPECT_FALSE(result.has_passed);
    EXPECT_EQ(result.lost, 3U);
    EXPECT_THAT(result.failures, Contains(HasSubstr("1 were lost")));
}

TEST_F(drill_test, fails_for_a_node_that_does_not_report) {
    begin({});
    run_to(drill_stage::after);
    nodes_[2].gets_messages = false;
    run_until_done();
    EXPECT_THAT(script_->result().failures, Contains("node 3 has not reported"));
}

TEST_F(drill_test, fails_when_the_ring_is_too_slow) {
    begin({});
    run_to(drill_stage::during);
    // What is sent while the network is away comes 1.2 s later, which the cluster outlives.
    std::deque<std::pair<corosync::steady_time, decltype(group_)::value_type>> late;
    for (int step = 0; step < 20'000 && script_->stage() != drill_stage::done; ++step) {
        now_ += 5ms;
        for (std::uint32_t id = 1; id <= 3; ++id) {
            act(id, nodes_[id - 1].participant.tick(nodes_[id - 1].state, now_));
        }
        act(1, script_->tick(nodes_[0].state, nodes_[0].participant.problem(), now_));
        look_at_the_network();
        const auto delay = script_->stage() == drill_stage::during ? 1200ms : 0ms;
        for (; !group_.empty(); group_.pop_front()) {
            late.emplace_back(now_ + delay, group_.front());
        }
        for (; !late.empty() && late.front().first <= now_; late.pop_front()) {
            group_.push_back(late.front().second);
        }
        deliver();
    }
    const auto result = script_->result();
    EXPECT_FALSE(result.has_passed);
    EXPECT_EQ(result.lost, 0U);
    EXPECT_THAT(result.failures, Contains(HasSubstr("too slow on the ring")));
}

TEST_F(drill_test, an_interrupted_one_gives_the_network_back_first) {
    begin({});
    run_to(drill_stage::during);
    run_a_step();
    script_->stop("interrupted");
    run_a_step();
    EXPECT_FALSE(nodes_[0].is_cut);
    run_until_done();
    EXPECT_THAT(script_->result().failures, Contains("given up: interrupted"));
}

TEST_F(drill_test, nobody_takes_part_in_one_that_asks_for_too_much) {
    begin({});
    deliver();
    drill_participant other(102, "n2");
    drill_begin greedy{1, 100'000, 1024, 60'000, 2'000, {member(2)}};
    other.on_message(member(1), greedy, nodes_[1].state, now_);
    EXPECT_FALSE(other.is_active());
    greedy.messages_per_s = 100;
    greedy.life_ms = 3'600'000;
    other.on_message(member(1), greedy, nodes_[1].state, now_);
    EXPECT_FALSE(other.is_active());
    greedy.life_ms = 60'000;
    greedy.participants = {member(3)};
    other.on_message(member(1), greedy, nodes_[1].state, now_);
    EXPECT_FALSE(other.is_active());
    other.on_message(member(1), drill_end{1}, nodes_[1].state, now_);
    greedy.participants = {member(2)};
    other.on_message(member(1), greedy, nodes_[1].state, now_);
    EXPECT_TRUE(other.is_active());
    // Only who began it may say what comes next.
    const auto actions = other.on_message(member(3), drill_phase{1, drill_part::during, true, 1000},
                                          nodes_[1].state, now_);
    EXPECT_TRUE(actions.empty());
    EXPECT_FALSE(other.tick(nodes_[1].state, now_ + 59s).empty());
    other.tick(nodes_[1].state, now_ + 61s);
    EXPECT_FALSE(other.is_active());
}

TEST_F(drill_test, of_two_at_once_the_first_goes_on_alone) {
    begin({});
    deliver();
    // Another node's drill, in which n2 takes part with another process: n2's watch knows of it.
    drill_participant watching(102, "n2");
    const drill_begin first{7, 100, 1024, 60'000, 2'000, {member(1), {2, 999}}};
    const drill_begin second{8, 100, 1024, 60'000, 2'000, {member(1), member(2)}};
    watching.on_message(member(1), first, nodes_[1].state, now_);
    EXPECT_THAT(watching.refusal(now_), HasSubstr("another drill, begun on node 1"));
    watching.on_message(member(3), second, nodes_[1].state, now_);
    EXPECT_FALSE(watching.is_active());
    EXPECT_EQ(watching.problem(), "");
    // Whoever began the second is told so by its own participant, and cuts nothing.
    drill_participant beginner(102, "n2");
    beginner.on_message(member(1), first, nodes_[1].state, now_);
    beginner.on_message(member(2), second, nodes_[1].state, now_);
    EXPECT_FALSE(beginner.is_active());
    EXPECT_THAT(beginner.problem(), HasSubstr("another drill, begun on node 1"));
    // It is over when its end is told, when who began it has gone, or when its time is over.
    auto until_end = watching;
    until_end.on_message(member(3), drill_end{7}, nodes_[1].state, now_);
    EXPECT_NE(until_end.refusal(now_), "");
    until_end.on_message(member(1), drill_end{7}, nodes_[1].state, now_);
    EXPECT_EQ(until_end.refusal(now_), "");
    auto until_gone = watching;
    until_gone.on_group({member(2), member(3)});
    EXPECT_EQ(until_gone.refusal(now_), "");
    EXPECT_EQ(watching.refusal(now_ + 61s), "");
    watching.on_message(member(3), second, nodes_[1].state, now_ + 61s);
    EXPECT_TRUE(watching.is_active());
}

TEST(cut_script, names_addresses_ports_and_the_time_in_the_kernel) {
    const auto script =
        cut_script({{"10.0.0.1", "10.0.0.2", 5405}, {"fd00::1", "fd00::2", 5405}}, 9s);
    EXPECT_THAT(script, HasSubstr("10.0.0.2 . 10.0.0.1 . 5405 timeout 9000ms"));
    EXPECT_THAT(script, HasSubstr("fd00::2 . fd00::1 . 5405 timeout 9000ms"));
    EXPECT_THAT(script, HasSubstr("add table inet diskhb_drill\ndelete table inet diskhb_drill\n"));
}

TEST(network_paths, leave_out_rings_and_what_is_no_address) {
    corosync::link_report report;
    report.others.resize(1);
    auto& links = report.others[0].links;
    links[0] = {true, true, "10.0.0.1", "10.0.0.2"};
    links[1] = {true, true, "10.1.0.1", "10.1.0.2"};
    links[2] = {true, true, "10.2.0.1", "x; flush ruleset"};
    links[3] = {false, false, "10.3.0.1", "10.3.0.2"};
    corosync::corosync_conf conf;
    for (auto& link : conf.links) {
        link.port = 5405;
    }
    const auto paths = network_paths(report, conf, {1});
    ASSERT_EQ(paths.size(), 1U);
    EXPECT_EQ(paths[0].peer_address, "10.0.0.2");
    EXPECT_EQ(paths[0].port, 5405);
}

TEST(pacemaker_health, names_failed_and_blocked_resources_and_nodes_to_be_fenced) {
    EXPECT_EQ(
        tools::problem_in("<nodes><node name=\"n1\" online=\"true\" unclean=\"false\"/></nodes>"
                          "<resources><resource id=\"ip\" failed=\"false\"/></resources>"),
        "");
    EXPECT_EQ(tools::problem_in("<nodes><node name=\"n2\" unclean=\"true\"/></nodes><resource "
                                "id=\"web\" blocked=\"false\" failed=\"true\">"),
              "node n2 is to be fenced, resource web is failed");
}

class drill_check_test : public testing::Test {
  protected:
    drill_check_test() {
        facts_.conf.totem.token_ms = 5650;
        facts_.conf.totem.token_retransmit_ms = 550;
        for (unsigned link = 0; link < 2; ++link) {
            auto& timers = facts_.conf.links[link];
            timers.configured = true;
            timers.ping_interval_ms = 400;
            timers.ping_timeout_ms = 1200;
            timers.pong_count = 2;
        }
        facts_.ring_links = {1};
        facts_.state.corosync = corosync::corosync_state::running;
        facts_.state.is_quorate = true;
        facts_.state.local_node_id = 1;
        facts_.state.members = {1, 2};
        for (std::uint32_t id : {1U, 2U}) {
            corosync::conf_node node;
            node.node_id = id;
            facts_.conf.nodes.push_back(node);
            facts_.names[id] = "n" + std::to_string(id);
            view seen;
            seen.corosync = corosync::corosync_state::running;
            seen.is_quorate = true;
            seen.members = {1, 2};
            seen.others = {{3 - id, true, true, true}};
            seen.heard = {3 - id};
            seen.rings = {{1, true, 800, "dhb0", ""}};
            facts_.views[id] = seen;
        }
        facts_.limits = tools::limits_of(facts_.conf, facts_.ring_links);
    }
    // The texts of the checks that fail.
    std::string wrong() const {
        std::string text;
        for (const auto& each : tools::check_drill(facts_)) {
            text += each.is_good ? "" : each.what + ": " + each.text + "\n";
        }
        return text;
    }
    tools::drill_facts facts_;
};

TEST_F(drill_check_test, a_whole_cluster_is_safe) {
    EXPECT_EQ(wrong(), "");
    EXPECT_TRUE(tools::is_safe(tools::check_drill(facts_)));
    EXPECT_TRUE(facts_.limits.leave_room());
}

TEST_F(drill_check_test, says_what_is_unsafe) {
    auto whole = facts_;
    facts_.views[2].others[0].on_ring = false;
    EXPECT_THAT(wrong(), HasSubstr("ring: not connected: n2 to n1"));
    facts_ = whole;
    facts_.views[2].others[0].on_network = false;
    EXPECT_THAT(wrong(), HasSubstr("network: not connected: n2 to n1"));
    facts_ = whole;
    facts_.views[1].heard.clear();
    EXPECT_THAT(wrong(), HasSubstr("volume: n1 does not hear n2"));
    facts_ = whole;
    facts_.views.erase(2);
    EXPECT_THAT(wrong(), HasSubstr("answers: no answer from n2"));
    facts_ = whole;
    facts_.views[2].rings[0].round_trip_us = 2'000'000;
    EXPECT_THAT(wrong(), HasSubstr("rings: n2: ring dhb0 is too slow"));
    facts_ = whole;
    facts_.views[2].rings[0] = {1, false, 0, "dhb0", "diskhbd does not answer"};
    EXPECT_THAT(wrong(), HasSubstr("rings: n2: diskhbd does not answer"));
    facts_ = whole;
    facts_.state.members = {1};
    EXPECT_THAT(wrong(), HasSubstr("n2 is not in the membership"));
    facts_ = whole;
    facts_.pacemaker_problem = "resource web is failed";
    EXPECT_THAT(wrong(), HasSubstr("pacemaker: resource web is failed"));
    facts_ = whole;
    facts_.setup = {{tools::finding::severity::error, "the ring goes before the network"}};
    EXPECT_THAT(wrong(), HasSubstr("set-up: the ring goes before the network"));
}

TEST_F(drill_check_test, only_those_need_be_able_to_cut_that_are_cut) {
    facts_.views[2].cut_refusal = "was told not to";
    EXPECT_EQ(wrong(), "");
    facts_.for_all = true;
    EXPECT_THAT(wrong(), HasSubstr("cut: n2: was told not to"));
}

TEST_F(drill_check_test, timers_that_leave_no_way_back_are_unsafe) {
    facts_.conf.totem.token_ms = 3000;
    facts_.limits = tools::limits_of(facts_.conf, facts_.ring_links);
    EXPECT_FALSE(facts_.limits.leave_room());
    EXPECT_THAT(wrong(), HasSubstr("timers: if the ring fails in the drill"));
}

}  // namespace
}  // namespace diskhb::watch
