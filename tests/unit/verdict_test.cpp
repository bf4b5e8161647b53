// SPDX-License-Identifier: BSD-3-Clause
// The rules of diskhb/doc/pacemaker.md, "The verdict", and the lines that the agents read.
#include "tools/verdict.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "diskhb/error.hpp"
#include "tools/quorum_attributes.hpp"
#include "tools/setup_check.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct peer_view {
    bool on_network = true;
    bool heard = true;
    bool late = false;
    const char* state() const { return late ? "late" : heard ? "alive" : "silent"; }
};

corosync::link_state enabled_link(bool connected) {
    corosync::link_state link;
    link.enabled = true;
    link.connected = connected;
    return link;
}

// Node 1 with a ring (link 1) and peers from node 2 on. What is heard is on the ring's link too.
struct view {
    std::string ring_state = "running";
    bool interface_up = true;
    double io_pending_ms = 0;
    std::vector<peer_view> peers;

    json status() const {
        json ring{{"interface", "dhb0"},
                  {"link", 1},
                  {"volume", "/dev/x"},
                  {"state", ring_state},
                  {"error", ""},
                  {"qdisc", "pfifo"},
                  {"interface_up", interface_up},
                  {"io_pending_ms", io_pending_ms},
                  {"write_latency_us_p50", 210.0},
                  {"read_latency_us_p50", 100.0},
                  {"peers", json::array()}};
        for (std::size_t at = 0; at < peers.size(); ++at) {
            ring["peers"].push_back({{"node", at + 2},
                                     {"name", fmt::format("n{}", at + 2)},
                                     {"state", peers[at].state()}});
        }
        return {{"ok", true}, {"rings", json::array({ring})}};
    }
    corosync::link_report links() const {
        corosync::link_report report;
        report.local_node_id = 1;
        for (std::size_t at = 0; at < peers.size(); ++at) {
            corosync::node_links node;
            node.node_id = static_cast<std::uint32_t>(at + 2);
            node.links[0] = enabled_link(peers[at].on_network);
            node.links[1] = enabled_link(peers[at].heard);
            node.reachable = peers[at].on_network || peers[at].heard;
            report.others.push_back(node);
        }
        return report;
    }
    node_report judged() const { return judge(facts_of(status(), links(), "")); }
};

constexpr peer_view well{true, true};
constexpr peer_view cut{false, true};
constexpr peer_view silent{true, false};
constexpr peer_view gone{false, false};
constexpr peer_view late{true, true, true};

TEST(verdict, is_ok_when_everybody_is_there_both_ways) {
    const auto report = view{.peers = {well, well}}.judged();
    EXPECT_EQ(report.how, verdict::ok);
    EXPECT_TRUE(report.spare);
    EXPECT_FALSE(report.on_ring);
    EXPECT_FALSE(report.is_degraded());
    EXPECT_STREQ(report.health(), "green");
    EXPECT_EQ(report.reason, "");
}

TEST(verdict, is_network_lost_on_the_node_that_lost_it_and_ok_on_the_others) {
    EXPECT_EQ((view{.peers = {cut, cut}}.judged().how), verdict::network_lost);
    const auto other = view{.peers = {well, cut}}.judged();
    EXPECT_EQ(other.how, verdict::ok);
    EXPECT_TRUE(other.on_ring);
    EXPECT_TRUE(other.is_degraded());
    EXPECT_EQ(other.reason, "n3 over the volume alone");
}

TEST(verdict, is_network_lost_on_both_of_two_nodes) {
    EXPECT_EQ((view{.peers = {cut}}.judged().how), verdict::network_lost);
}

TEST(verdict, is_network_lost_in_the_smaller_part_and_in_both_halves) {
    EXPECT_EQ((view{.peers = {well, cut, cut, cut}}.judged().how), verdict::network_lost);
    EXPECT_EQ((view{.peers = {well, well, cut, cut}}.judged().how), verdict::ok);
    EXPECT_EQ((view{.peers = {well, cut, cut}}.judged().how), verdict::network_lost);
}

TEST(verdict, says_nothing_of_the_network_by_nodes_that_may_be_dead) {
    EXPECT_EQ((view{.peers = {gone, gone}}.judged().how), verdict::ok);
    EXPECT_EQ((view{.peers = {well, gone}}.judged().how), verdict::ok);
    EXPECT_FALSE((view{.peers = {well, gone}}.judged().is_degraded()));
}

TEST(verdict, is_storage_lost_when_the_ring_does_not_work_and_somebody_is_on_the_network) {
    EXPECT_EQ((view{.ring_state = "volume_lost", .peers = {silent, gone}}.judged().how),
              verdict::storage_lost);
    EXPECT_EQ((view{.interface_up = false, .peers = {silent}}.judged().how), verdict::storage_lost);
}

TEST(verdict, takes_a_volume_that_hangs_for_lost_after_two_seconds) {
    EXPECT_EQ((view{.io_pending_ms = 1999, .peers = {well}}.judged().how), verdict::ok);
    const auto report = view{.io_pending_ms = 2000, .peers = {well}}.judged();
    EXPECT_EQ(report.how, verdict::storage_lost);
    EXPECT_EQ(report.reason,
              "the cluster has no spare here: volume /dev/x has not answered for 2.0 s");
}

TEST(verdict, is_isolated_when_neither_way_reaches_anybody) {
    const auto report = view{.ring_state = "volume_lost", .peers = {gone, gone}}.judged();
    EXPECT_EQ(report.how, verdict::isolated);
    EXPECT_STREQ(report.health(), "red");
    EXPECT_FALSE(report.network);
    EXPECT_FALSE(report.storage);
}

TEST(verdict, misses_the_spare_when_somebody_is_not_heard) {
    const auto report = view{.peers = {well, silent}}.judged();
    EXPECT_EQ(report.how, verdict::ok);
    EXPECT_FALSE(report.spare);
    EXPECT_EQ(report.peers_heard, 1U);
    EXPECT_EQ(report.reason, "the ring does not reach n3");
}

TEST(verdict, takes_a_late_node_for_heard_and_is_degraded) {
    const auto report = view{.peers = {well, late}}.judged();
    EXPECT_EQ(report.how, verdict::ok);
    EXPECT_TRUE(report.spare);
    EXPECT_EQ(report.peers_heard, 2U);
    EXPECT_EQ(report.peers_late, 1U);
    EXPECT_TRUE(report.is_degraded());
    EXPECT_EQ(report.reason, "what is written here is read too late (read_deadline_ms) by n3");
    // Its network is cut all the same.
    EXPECT_EQ((view{.peers = {peer_view{false, true, true}}}.judged().how), verdict::network_lost);
}

TEST(verdict, takes_a_node_for_late_that_is_late_on_all_rings) {
    for (const bool is_first : {true, false}) {
        auto status = view{.peers = {is_first ? late : well}}.status();
        auto second = view{.peers = {is_first ? well : late}}.status()["rings"][0];
        second["interface"] = "dhb1";
        second["link"] = 2;
        status["rings"].push_back(second);
        EXPECT_EQ(judge(facts_of(status, view{.peers = {well}}.links(), "")).peers_late, 0U);
        EXPECT_EQ(judge(facts_of(status, view{.peers = {well}}.links(), is_first ? "dhb0" : "dhb1"))
                      .peers_late,
                  1U);
    }
}

TEST(verdict, without_the_daemon_knows_the_network_alone) {
    const view present{.peers = {well}};
    ring_facts ring;
    ring.interface = "dhb0";
    ring.link = 1;
    const auto facts = facts_without_daemon({ring}, present.links(), "no diskhbd answers");
    const auto report = judge(facts);
    EXPECT_EQ(report.how, verdict::storage_lost);
    EXPECT_EQ(report.reason, "the cluster has no spare here: no diskhbd answers");
}

TEST(verdict, does_not_take_another_ring_for_the_network) {
    auto status = view{.peers = {cut}}.status();
    auto second = status["rings"][0];
    second["interface"] = "dhb1";
    second["link"] = 2;
    status["rings"].push_back(second);
    auto links = view{.peers = {cut}}.links();
    links.others[0].links[2] = enabled_link(true);
    EXPECT_EQ(judge(facts_of(status, links, "dhb0")).how, verdict::network_lost);
    EXPECT_EQ(judge(facts_of(status, links, "")).how, verdict::network_lost);
}

TEST(verdict, refuses_a_ring_that_is_not_there) {
    const view present{.peers = {well}};
    try {
        (void)facts_of(present.status(), present.links(), "dhb9");
        FAIL();
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_usage);
        EXPECT_STREQ(error.what(), "diskhbd has no ring dhb9; there are: dhb0");
    }
}

TEST(verdict, rounds_latencies_up_to_a_few_steps) {
    EXPECT_EQ(rounded_up(0), 0U);
    EXPECT_EQ(rounded_up(-1), 0U);
    EXPECT_EQ(rounded_up(0.3), 1U);
    EXPECT_EQ(rounded_up(310), 500U);
    EXPECT_EQ(rounded_up(500), 500U);
    EXPECT_EQ(rounded_up(501), 1000U);
    EXPECT_EQ(rounded_up(1e300), 10'000'000'000U);
}

TEST(verdict, gives_the_agent_a_line_for_each_attribute) {
    const auto report = view{.peers = {cut, cut}}.judged();
    EXPECT_EQ(to_attributes(report),
              "verdict=network-lost\nstorage=1\nnetwork=0\non-ring=1\nspare=1\npeers=2\nlate=0\n"
              "latency-us=500\nhealth=yellow\ndegraded=1\n"
              "reason=the network is lost; n2, n3 over the volume alone\n");
}

json quorum_status() {
    return {{"state", "running"},
            {"ready", true},
            {"vote", {{"state", "yes"}}},
            {"grant", {{"holder", 2}}},
            {"corosync", {{"registered", true}}},
            {"timings", {{"drop_ms", 3000}}},
            {"volumes", json::array({{{"path", "/dev/q"}, {"state", "ok"}, {"io_pending_ms", 0}}})},
            {"nodes", json::array({{{"state", "running"}}, {{"state", "silent"}}})}};
}

TEST(quorum_attributes, are_those_of_the_status) {
    EXPECT_EQ(quorum_attributes(quorum_status()),
              "state=running\nvote=yes\nready=1\nholder=2\nvolumes=1\nnodes=1\ndegraded=0\n"
              "reason=\n");
}

TEST(quorum_attributes, name_a_volume_that_is_lost_or_silent) {
    auto status = quorum_status();
    status["volumes"][0]["state"] = "lost";
    status["volumes"][0]["error"] = "I/O error";
    EXPECT_NE(quorum_attributes(status).find("degraded=1\nreason=volume /dev/q is lost: I/O error"),
              std::string::npos);
    status = quorum_status();
    status["volumes"][0]["io_pending_ms"] = 3001;
    EXPECT_NE(quorum_attributes(status).find("volumes=0\n"), std::string::npos);
    EXPECT_NE(quorum_attributes(status).find("volume /dev/q is silent"), std::string::npos);
}

TEST(quorum_attributes, are_there_when_nobody_answers) {
    EXPECT_EQ(quorum_attributes_without_daemon("nobody"),
              "state=unreachable\nvote=no\nready=0\nholder=0\nvolumes=0\nnodes=0\ndegraded=1\n"
              "reason=nobody\n");
}

corosync::corosync_conf good_conf() {
    return corosync::parse_corosync_conf(
        "totem {\n version: 2\n cluster_name: tide\n transport: knet\n crypto_cipher: aes256\n"
        " crypto_hash: sha256\n token: 5000\n token_retransmits_before_loss_const: 10\n join: 300\n"
        " interface {\n linknumber: 0\n knet_link_priority: 10\n knet_ping_interval: 400\n"
        " knet_ping_timeout: 1200\n }\n interface {\n linknumber: 1\n knet_link_priority: 1\n"
        " knet_ping_interval: 1000\n knet_ping_timeout: 4000\n }\n}\n"
        "nodelist {\n node {\n name: n1\n nodeid: 1\n ring0_addr: 192.0.2.1\n ring1_addr: "
        "10.9.1.1\n }\n node {\n name: n2\n nodeid: 2\n ring0_addr: 192.0.2.2\n ring1_addr: "
        "10.9.1.2\n }\n}\nquorum {\n provider: corosync_votequorum\n}\n",
        "corosync.conf");
}

setup_check_input good_setup() {
    const view present{.peers = {well}};
    setup_check_input input;
    input.conf = good_conf();
    input.ring_links = {1};
    input.status = present.status();
    input.links = present.links();
    return input;
}

std::string first_error(const setup_check_input& input) {
    const auto findings = check_setup(input);
    return has_error(findings) ? findings.front().text : std::string();
}

TEST(setup_check, finds_nothing_unsafe_in_a_good_cluster) {
    EXPECT_EQ(first_error(good_setup()), "");
    EXPECT_NE(setup_check_text(check_setup(good_setup())).find("safe"), std::string::npos);
}

TEST(setup_check, names_what_is_unsafe) {
    auto input = good_setup();
    input.conf.links[1].priority = 20;
    EXPECT_NE(first_error(input).find("goes before the network"), std::string::npos);

    input = good_setup();
    input.conf.totem.link_mode = "active";
    EXPECT_NE(first_error(input).find("must be passive"), std::string::npos);

    input = good_setup();
    input.is_enabled = false;
    EXPECT_NE(first_error(input).find("systemctl enable diskhbd"), std::string::npos);

    input = good_setup();
    input.status["rings"][0]["qdisc"] = "noqueue";
    EXPECT_NE(first_error(input).find("noqueue"), std::string::npos);

    input = good_setup();
    input.status = (view{.peers = {silent}}).status();
    EXPECT_NE(first_error(input).find("not heard over the volume"), std::string::npos);

    input = good_setup();
    input.links->others[0].links[1].connected = false;
    EXPECT_NE(first_error(input).find("no connection over the ring"), std::string::npos);

    input = good_setup();
    input.conf.items.push_back({"quorum.device.model", "disk", 1});
    input.is_quorum_enabled = false;
    EXPECT_NE(first_error(input).find("systemctl enable diskhb-quorumd"), std::string::npos);

    // Unsafe for those alone who start the cluster by pcs.
    input.is_quorum_enabled = true;
    input.has_pcs = true;
    EXPECT_EQ(first_error(input), "");
    EXPECT_NE(setup_check_text(check_setup(input)).find("diskhb-qdevice-shim"), std::string::npos);
}

}  // namespace
}  // namespace diskhb::tools
