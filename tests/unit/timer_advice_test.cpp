// SPDX-License-Identifier: BSD-3-Clause
// What is advised must pass the check of what is safe, for every volume; and each unsafe value of
// a corosync.conf is found alone.
#include "plugin/corosync/timer_advice.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace diskhb::corosync {
namespace {

constexpr ring_times fast{11'000, 20'000};  // a volume of well below a millisecond, polled idly

std::string conf_text(const timers& advised, unsigned nodes) {
    std::string text = fmt::format(
        "totem {{\n version: 2\n cluster_name: c\n crypto_cipher: aes256\n crypto_hash: sha256\n"
        " token: {}\n token_retransmits_before_loss_const: {}\n join: {}\n",
        advised.token_ms, advised.token_retransmits_before_loss, advised.join_ms);
    text += fmt::format(
        " interface {{\n linknumber: 0\n knet_link_priority: 10\n knet_ping_interval: {}\n"
        " knet_ping_timeout: {}\n }}\n",
        advised.network_ping_interval_ms, advised.network_ping_timeout_ms);
    text += fmt::format(
        " interface {{\n linknumber: 1\n knet_link_priority: 1\n knet_ping_interval: {}\n"
        " knet_ping_timeout: {}\n }}\n}}\nnodelist {{\n",
        advised.ring_ping_interval_ms, advised.ring_ping_timeout_ms);
    for (unsigned id = 1; id <= nodes; ++id) {
        text += fmt::format(
            " node {{\n name: n{0}\n nodeid: {0}\n ring0_addr: 192.0.2.{0}\n ring1_addr: "
            "10.9.1.{0}\n }}\n",
            id);
    }
    return text + "}\n";
}

// The advised file with one line changed, or one added to the totem section.
std::vector<timer_warning> check_with(const std::string& old_line, const std::string& new_line,
                                      const ring_times& times = fast) {
    const auto advised = advise_timers(fast, 3);
    std::string text = conf_text(advised, 3);
    const auto at = text.find(old_line);
    EXPECT_NE(at, std::string::npos) << old_line;
    text.replace(at, old_line.size(), new_line);
    return check_timers(parse_corosync_conf(text, "c.conf"), 1, times, advise_timers(times, 3));
}

void expect_one(const std::vector<timer_warning>& found, timer_warning::severity how_bad,
                const std::string& key) {
    ASSERT_EQ(found.size(), 1U) << (found.empty() ? key : found.back().key);
    EXPECT_EQ(found[0].key, key);
    EXPECT_EQ(found[0].how_bad, how_bad);
    EXPECT_FALSE(found[0].problem.empty());
    EXPECT_FALSE(found[0].fix.empty());
}

constexpr auto unsafe = timer_warning::severity::unsafe;
constexpr auto advice = timer_warning::severity::advice;

TEST(timer_advice, adds_up_one_way_from_its_parts) {
    EXPECT_EQ(one_way_us(100, 50, 10'000), 10'200U);
}

TEST(timer_advice, gives_a_fast_volume_the_timers_of_the_manual) {
    const auto advised = advise_timers(fast, 2);
    EXPECT_EQ(advised.token_ms, 5000U);
    EXPECT_EQ(advised.ring_ping_interval_ms, 1000U);
    EXPECT_EQ(advised.ring_ping_timeout_ms, 4000U);
    EXPECT_EQ(advised.network_ping_timeout_ms, 1200U);
    EXPECT_EQ(advised.join_ms, 150U);
    EXPECT_EQ(advised.survived_stall_ms, 3000U);
    EXPECT_EQ(advised.node_death_ms, 11'000U);
}

TEST(timer_advice, advises_nothing_that_its_own_check_warns_of) {
    for (const std::uint64_t p999_us : {100ULL, 11'000ULL, 60'000ULL, 400'000ULL, 3'000'000ULL}) {
        for (const std::uint64_t max_factor : {1ULL, 5ULL, 50ULL}) {
            for (const unsigned nodes : {2U, 3U, 8U, 32U}) {
                const ring_times times{p999_us, p999_us * max_factor};
                const auto advised = advise_timers(times, nodes);
                const auto conf = parse_corosync_conf(conf_text(advised, nodes), "c.conf");
                for (const auto& each : check_timers(conf, 1, times, advised)) {
                    ADD_FAILURE() << p999_us << " us, " << nodes << " nodes: " << each.key << " "
                                  << each.value << ": " << each.problem;
                }
            }
        }
    }
}

TEST(timer_advice, slower_volumes_get_longer_timers) {
    const auto quick = advise_timers(fast, 3);
    const auto slow = advise_timers({200'000, 2'000'000}, 3);
    EXPECT_GE(slow.ring_ping_timeout_ms, 10'000U);
    EXPECT_GT(slow.token_ms, quick.token_ms);
    EXPECT_GE(slow.join_ms, 1200U);
    EXPECT_EQ(slow.network_ping_timeout_ms, quick.network_ping_timeout_ms);
}

TEST(timer_advice, stays_bounded_for_a_volume_that_takes_hours) {
    const auto advised = advise_timers({UINT64_MAX / 1000, UINT64_MAX / 1000}, 2);
    EXPECT_LE(advised.ring_ping_timeout_ms, 3'600'800U);
    EXPECT_GE(advised.token_ms, 1'000'000U);
}

TEST(timer_check, finds_a_token_that_is_lost_before_the_ring_takes_over) {
    expect_one(check_with("token: 5000", "token: 1500\n token_coefficient: 1"), unsafe,
               "totem.token");
}

TEST(timer_check, advises_a_token_that_survives_a_stall) {
    expect_one(check_with("token: 5000", "token: 3000"), advice, "totem.token");
}

TEST(timer_check, finds_a_ring_timeout_that_the_volume_cannot_keep) {
    const auto found =
        check_with("knet_ping_timeout: 4000", "knet_ping_timeout: 4000", {100'000, 200'000});
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].key, "link 1 knet_ping_timeout");
    EXPECT_EQ(found[0].how_bad, unsafe);
}

TEST(timer_check, advises_a_ring_timeout_that_rides_out_a_stall) {
    expect_one(check_with("knet_ping_interval: 1000\n knet_ping_timeout: 4000",
                          "knet_ping_interval: 400\n knet_ping_timeout: 1200"),
               advice, "link 1 knet_ping_timeout");
}

TEST(timer_check, finds_a_ring_that_is_preferred_to_the_network) {
    expect_one(check_with("knet_link_priority: 1\n", "knet_link_priority: 20\n"), unsafe,
               "link 1 knet_link_priority");
}

TEST(timer_check, finds_other_modes_than_passive) {
    for (const char* mode : {"active", "rr"}) {
        expect_one(check_with("version: 2", fmt::format("version: 2\n link_mode: {}", mode)),
                   unsafe, "totem.link_mode");
    }
}

TEST(timer_check, finds_ping_intervals_below_the_tick_of_knet) {
    expect_one(check_with("knet_ping_interval: 400", "knet_ping_interval: 100"), unsafe,
               "link 0 knet_ping_interval");
}

TEST(timer_check, finds_a_timeout_that_one_lost_ping_reaches) {
    expect_one(check_with("knet_ping_interval: 400", "knet_ping_interval: 800"), unsafe,
               "link 0 knet_ping_timeout");
}

TEST(timer_check, finds_a_consensus_below_what_totem_needs) {
    expect_one(check_with("version: 2", "version: 2\n consensus: 5700"), unsafe, "totem.consensus");
}

TEST(timer_check, finds_a_join_shorter_than_three_round_trips) {
    expect_one(check_with("join: 150", "join: 50"), advice, "totem.join");
    expect_one(check_with("join: 150", "join: 20"), unsafe, "totem.join");
}

TEST(timer_check, advises_to_let_knet_find_its_mtu_and_to_encrypt) {
    expect_one(check_with("version: 2", "version: 2\n knet_mtu: 1500"), advice, "totem.knet_mtu");
    expect_one(check_with("crypto_cipher: aes256\n crypto_hash: sha256",
                          "crypto_cipher: none\n crypto_hash: none"),
               advice, "totem.crypto_cipher");
}

TEST(timer_check, says_when_no_node_is_on_the_link) {
    const auto advised = advise_timers(fast, 3);
    const auto conf = parse_corosync_conf(conf_text(advised, 3), "c.conf");
    const auto found = check_timers(conf, 5, fast, advised);
    ASSERT_FALSE(found.empty());
    EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                            [](const auto& each) { return each.key == "link 5"; }));
}

TEST(timer_check, refuses_transports_without_links) {
    expect_one(check_with("version: 2", "version: 2\n transport: udpu"), unsafe, "totem.transport");
}

TEST(timer_check, has_nothing_against_the_configuration_that_is_shipped) {
    const auto conf = read_corosync_conf(DISKHB_SOURCE_DIR "/ha-configs/corosync.conf");
    const auto advised = advise_timers(fast, static_cast<unsigned>(conf.nodes.size()));
    for (const auto& each : check_timers(conf, 1, fast, advised)) {
        ADD_FAILURE() << each.key << " " << each.value << ": " << each.problem;
    }
}

TEST(timer_check, puts_unsafe_values_first) {
    const auto found =
        check_with("crypto_cipher: aes256\n crypto_hash: sha256",
                   "crypto_cipher: none\n crypto_hash: none\n link_mode: active\n consensus: 5700");
    ASSERT_GE(found.size(), 3U);
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const auto& one, const auto& two) {
        return one.how_bad < two.how_bad;
    }));
    EXPECT_EQ(found[0].how_bad, unsafe);
}

}  // namespace
}  // namespace diskhb::corosync
