// SPDX-License-Identifier: BSD-3-Clause
// diskhb quorum check: every mistake is found, told with what to do, and a sound file has none.
#include "tools/quorum_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace diskhb::tools {
namespace {

using severity = finding::severity;
using testing::Contains;
using testing::HasSubstr;

std::string file(const std::string& name) {
    std::ifstream input(DISKHB_SOURCE_DIR "/ha-configs/" + name);
    return {std::istreambuf_iterator<char>(input), {}};
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

// The example files, read as on node1, with a volume that fits.
class quorum_check_of : public testing::Test {
  protected:
    std::string conf_text = file("corosync-quorum.conf");
    std::string toml_text = file("diskhb-quorum.toml");
    std::string sbd;
    std::vector<std::string> ring_volumes;
    quorum_volume_facts volume{"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4",
                               "",
                               {.cluster = {1},
                                .cluster_name = "tide",
                                .measures = *format::make_geometry(4096, 4, 256 * 1024, 4 << 20)},
                               {},
                               {}};
    std::vector<quorum_volume_facts> more_volumes;

    quorum_check_input input() const {
        quorum::quorum_host host;
        host.corosync_conf = [this](const std::string& path) {
            return corosync::parse_corosync_conf(conf_text, path);
        };
        host.identity = [] { return corosync::host_identity{"node1", {}}; };
        host.resolve = [](const std::string& text, corosync::ip_preference) {
            return corosync::parse_ip_address(text);
        };
        host.sbd_config = [this] { return sbd; };
        quorum_check_input all;
        all.config = quorum::parse_quorum_config(toml_text, "d.toml", host);
        all.conf = corosync::parse_corosync_conf(conf_text, "c.conf");
        all.volumes = more_volumes;
        all.volumes.insert(all.volumes.begin(), volume);
        all.ring_volumes = ring_volumes;
        return all;
    }
    std::vector<std::string> told(severity how_bad) const {
        std::vector<std::string> texts;
        for (const auto& each : check_quorum(input())) {
            if (each.how_bad == how_bad) {
                texts.push_back(each.text);
            }
        }
        return texts;
    }
    quorum_slot_report block_of(unsigned node, std::uint32_t linger_ms) const {
        quorum_slot_report report;
        report.slot = static_cast<format::slot_index>(node - 1);
        report.block.node_id = node;
        report.block.state = format::quorum_state::running;
        report.block.linger_ms = linger_ms;
        return report;
    }
};

TEST_F(quorum_check_of, the_example_files_finds_nothing_wrong) {
    EXPECT_TRUE(told(severity::error).empty()) << told(severity::error).front();
    EXPECT_TRUE(told(severity::advice).empty()) << told(severity::advice).front();
    EXPECT_FALSE(has_error(check_quorum(input())));
    // The second set of times in doc/timeouts.md.
    EXPECT_EQ(input().config.times.take.count(), 9682);
    EXPECT_EQ(quorum::recovery_max(input().config.times).count(), 14378);
    EXPECT_THAT(to_text(input(), check_quorum(input())), HasSubstr("within 14378 ms"));
}

TEST_F(quorum_check_of, the_example_files_reads_what_is_commented_out_too) {
    std::string all;
    std::istringstream lines(toml_text);
    for (std::string line; std::getline(lines, line);) {
        // A comment is a sentence and begins with a blank; a key does not.
        all += (line.starts_with("#") && !line.starts_with("# ") ? line.substr(1) : line) + "\n";
    }
    toml_text = all;
    EXPECT_EQ(input().config.heuristics.mode, quorum::heuristics_config::when::on);
    EXPECT_EQ(input().config.heuristics.commands.size(), 1U);
    EXPECT_TRUE(told(severity::error).empty()) << told(severity::error).front();
}

TEST_F(quorum_check_of, what_corosync_refuses_beside_a_device_names_each_key) {
    for (const std::string key :
         {"two_node", "auto_tie_breaker", "last_man_standing", "allow_downscale"}) {
        conf_text =
            replaced(file("corosync-quorum.conf"), "    device {", key + ": 1\n    device {");
        EXPECT_THAT(told(severity::error), Contains(HasSubstr("quorum." + key))) << key;
    }
}

TEST_F(quorum_check_of, votes_tells_the_right_number) {
    conf_text = replaced(conf_text, "votes: 1", "votes: 2");
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("needs quorum.device.votes = 1, not 2")));
}

TEST_F(quorum_check_of, a_missing_device_asks_for_its_model) {
    conf_text = replaced(conf_text, "model: disk", "");
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("quorum.device.model")));
}

TEST_F(quorum_check_of, a_missing_provider_names_it) {
    conf_text = replaced(conf_text, "provider: corosync_votequorum", "");
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("quorum.provider")));
}

TEST_F(quorum_check_of, sbd_wants_a_sync_phase_that_ends_before_its_watchdog) {
    sbd = "SBD_WATCHDOG_TIMEOUT=5\n";
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("SBD_WATCHDOG_TIMEOUT = 5000 ms")));
    sbd = "SBD_WATCHDOG_TIMEOUT=15\n";
    EXPECT_TRUE(told(severity::error).empty());
}

TEST_F(quorum_check_of, times_that_break_a_relation_are_errors_and_slow_ones_advice) {
    toml_text = replaced(file("diskhb-quorum.toml"), "#score = 0", "take_ms = 7000");
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("take = 7000 ms is too short")));
    toml_text = file("diskhb-quorum.toml");
    conf_text = replaced(conf_text, "sync_timeout: 15000", "sync_timeout: 6000");
    EXPECT_TRUE(told(severity::error).empty());
    EXPECT_THAT(told(severity::advice), Contains(HasSubstr("without the device's vote for up to")));
}

TEST_F(quorum_check_of, a_take_shorter_than_systemd_needs_for_a_daemon_that_hangs_is_advice) {
    conf_text = replaced(conf_text, "timeout: 6000", "timeout: 4000");
    EXPECT_TRUE(told(severity::error).empty());
    EXPECT_THAT(told(severity::advice), Contains(HasSubstr("WatchdogSec")));
}

TEST_F(quorum_check_of, wait_for_all_is_explained_both_ways) {
    EXPECT_THAT(told(severity::note), Contains(HasSubstr("wait_for_all is not set")));
    conf_text = replaced(conf_text, "    device {", "wait_for_all: 1\n    device {");
    EXPECT_THAT(told(severity::advice), Contains(HasSubstr("no last man stands")));
}

TEST_F(quorum_check_of, a_volume_passes_on_why_it_cannot_be_used) {
    volume.error = "/dev/x: belongs to cluster other";
    EXPECT_THAT(told(severity::error), Contains(volume.error));
    volume.error.clear();
    volume.device.refusal = "is a DRBD device";
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("is a DRBD device")));
}

TEST_F(quorum_check_of, a_volume_without_a_slot_for_a_node_names_the_node) {
    conf_text = replaced(conf_text, "nodeid: 2", "nodeid: 9");
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("corosync.conf has node 9")));
}

TEST_F(quorum_check_of, a_copy_that_another_node_does_not_write_to_is_an_error) {
    volume.device.identity = {7, 8};
    auto block = block_of(2, 9000);
    block.block.device = {7, 9};
    volume.slots = {block};
    EXPECT_THAT(told(severity::error), Contains(HasSubstr("node 2 writes to another device")));
    volume.slots[0].block.device = {7, 8};
    EXPECT_TRUE(told(severity::error).empty());
    volume.slots[0].block.device = {6, 9};
    EXPECT_TRUE(told(severity::error).empty());
    volume.slots[0].block.device = {7, 9};
    volume.slots[0].block.state = format::quorum_state::stopped;
    EXPECT_TRUE(told(severity::error).empty());
}

TEST_F(quorum_check_of, two_volumes_with_one_uuid_are_no_majority) {
    more_volumes = {volume, volume};
    more_volumes[0].path = "/dev/b";
    more_volumes[1].content.cluster = {2};
    const auto errors = told(severity::error);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0], HasSubstr("and /dev/b are the same volume"));
}

TEST_F(quorum_check_of, other_times_of_another_node_are_advice) {
    volume.slots = {block_of(1, 9000), block_of(2, 13000)};
    const auto advice = told(severity::advice);
    ASSERT_EQ(advice.size(), 1U);
    EXPECT_THAT(advice[0], HasSubstr("node 2 wrote that its vote may outlive its block by 13000"));
}

TEST_F(quorum_check_of, what_hangs_on_one_volume_is_noted) {
    EXPECT_THAT(told(severity::note), Contains(HasSubstr("volumes: one")));
    ring_volumes = {volume.path};
    EXPECT_THAT(told(severity::note), Contains(HasSubstr("carries a ring as well")));
}

TEST_F(quorum_check_of, mistakes_lists_errors_first_and_says_so_in_json) {
    conf_text = replaced(conf_text, "    device {", "two_node: 1\nwait_for_all: 1\n    device {");
    const auto findings = check_quorum(input());
    EXPECT_TRUE(std::is_sorted(
        findings.begin(), findings.end(),
        [](const auto& left, const auto& right) { return left.how_bad < right.how_bad; }));
    const auto json = to_json(input(), findings);
    EXPECT_EQ(json["safe"], false);
    EXPECT_EQ(json["findings"][0]["severity"], "error");
    EXPECT_EQ(json["timings"]["take_ms"], 9682);
    const auto text = to_text(input(), findings);
    EXPECT_THAT(text, HasSubstr("error   "));
    EXPECT_THAT(text, HasSubstr("1 to be corrected\n"));
}

}  // namespace
}  // namespace diskhb::tools
