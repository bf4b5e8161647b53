// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/change_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

class change_log_test : public testing::Test {
  protected:
    change_log_test() {
        config_.interface = "dhb0";
        config_.volume = "/dev/x";
        config_.peers = {{2, "n2", {}}, {3, "", {}}};
        now_.state = ring_state::running;
        now_.cluster_name = "tide";
        now_.peers.resize(2);
        now_.peers[0].node_id = 2;
        now_.peers[1].node_id = 3;
    }
    std::vector<std::string> look(std::chrono::nanoseconds passed = 100ms) {
        clock_ += passed;
        std::vector<std::string> texts;
        for (const auto& line : log_.observe(now_, clock_)) {
            texts.push_back(line.text);
        }
        return texts;
    }
    std::vector<std::string> look_for_ids(std::chrono::nanoseconds passed = 100ms) {
        clock_ += passed;
        std::vector<std::string> ids;
        for (const auto& line : log_.observe(now_, clock_)) {
            ids.emplace_back(line.message_id);
        }
        return ids;
    }
    std::uint64_t& count(counter which) { return now_.counters[static_cast<std::size_t>(which)]; }

    ring_config config_;
    statistics now_;
    std::chrono::nanoseconds clock_ = 100s;
    change_log log_{config_};
};

TEST_F(change_log_test, tells_each_change_of_the_ring_once) {
    now_.state = ring_state::waiting_for_volume;
    now_.ring_error = "/dev/x: No such file or directory";
    EXPECT_THAT(look(), testing::ElementsAre(
                            "ring dhb0: waiting for volume /dev/x: /dev/x: No such file or "
                            "directory"));
    EXPECT_THAT(look(), IsEmpty());
    now_.state = ring_state::running;
    now_.ring_error.clear();
    EXPECT_THAT(look().at(0), HasSubstr("running on /dev/x (cluster tide"));
    EXPECT_THAT(look(), IsEmpty());
    now_.state = ring_state::volume_lost;
    EXPECT_THAT(look().at(0), HasSubstr("has lost its volume"));
}

TEST_F(change_log_test, tells_a_new_reason_in_the_same_state) {
    now_.state = ring_state::refused;
    now_.ring_error = "of another cluster";
    look();
    now_.ring_error = "slot in use";
    EXPECT_THAT(look().at(0), HasSubstr("slot in use"));
}

TEST_F(change_log_test, tells_each_change_of_a_peer_by_its_name) {
    look();
    now_.peers[0].state = peer_state::alive;
    EXPECT_THAT(look(), testing::ElementsAre("ring dhb0: node 2 (n2) is alive"));
    now_.peers[1].state = peer_state::alive;
    EXPECT_THAT(look(), testing::ElementsAre("ring dhb0: node 3 is alive"));
    now_.peers[0].state = peer_state::silent;
    now_.peers[0].heard_ago = 1500ms;
    EXPECT_THAT(look(),
                testing::ElementsAre("ring dhb0: node 2 (n2) is silent: no beat for 1.5 s"));
    EXPECT_THAT(look(), IsEmpty());
    now_.peers[0].state = peer_state::stopped;
    EXPECT_THAT(look().at(0), HasSubstr("has stopped"));
}

TEST_F(change_log_test, says_nothing_of_peers_while_the_volume_is_gone) {
    now_.peers[0].state = peer_state::alive;
    look();
    now_.peers[0].state = peer_state::unseen;
    EXPECT_THAT(look(), IsEmpty());
    now_.peers[0].state = peer_state::alive;
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(change_log_test, tells_when_the_volume_stops_answering_and_when_it_answers_again) {
    look();
    now_.io_pending = 1200ms;
    EXPECT_THAT(look().at(0), HasSubstr("/dev/x has not answered for 1.2 s"));
    now_.io_pending = 5s;
    EXPECT_THAT(look(3800ms), IsEmpty());
    now_.io_pending = 0ms;
    EXPECT_THAT(look(0ms).at(0), HasSubstr("answers again after 5.0 s"));
}

TEST_F(change_log_test, sums_up_losses_instead_of_telling_each) {
    look();
    count(counter::lost_lapped) = 3;
    EXPECT_THAT(look(), testing::ElementsAre("ring dhb0: lost_lapped +3"));
    for (int round = 0; round < 50; ++round) {
        count(counter::lost_lapped) += 1;
        count(counter::read_errors) += 1;
        EXPECT_THAT(look(), IsEmpty());
    }
    EXPECT_THAT(look(10s), testing::ElementsAre("ring dhb0: lost_lapped +50, read_errors +50"));
    EXPECT_THAT(look(10s), IsEmpty());
}

TEST_F(change_log_test, keeps_quiet_about_blocks_met_while_they_are_written) {
    look();
    count(counter::rejected_torn) = 100;
    count(counter::rejected_empty_block) = 100;
    count(counter::dropped_not_joined) = 100;
    EXPECT_THAT(look(20s), IsEmpty());
}

TEST_F(change_log_test, sums_up_a_ring_for_systemd) {
    now_.peers[0].state = peer_state::alive;
    EXPECT_EQ(summary(config_, now_), "dhb0 running, 1 of 2 peers alive");
}

TEST_F(change_log_test, tells_when_a_peer_becomes_late_and_when_it_reads_in_time_again) {
    config_.engine.read_deadline = 40ms;
    look();
    now_.peers[0].state = peer_state::alive;
    EXPECT_THAT(look(), testing::ElementsAre("ring dhb0: node 2 (n2) is alive"));
    now_.peers[0].state = peer_state::late;
    EXPECT_THAT(look(),
                testing::ElementsAre(HasSubstr("node 2 (n2) is late: it reads what we write "
                                               "later than 40 ms")));
    EXPECT_THAT(look(), IsEmpty());
    now_.peers[0].state = peer_state::alive;
    EXPECT_THAT(look(), IsEmpty());
    EXPECT_THAT(look(1s), testing::ElementsAre("ring dhb0: node 2 (n2) reads in time again"));
    EXPECT_THAT(look(1s), IsEmpty());
}

TEST_F(change_log_test, tells_a_lag_around_the_deadline_once) {
    config_.engine.read_deadline = 40ms;
    now_.peers[0].state = peer_state::alive;
    look();
    now_.peers[0].state = peer_state::late;
    EXPECT_THAT(look(), testing::SizeIs(1));
    for (int crossing = 0; crossing < 50; ++crossing) {
        now_.peers[0].state = peer_state::alive;
        EXPECT_THAT(look(), IsEmpty());
        EXPECT_THAT(look(800ms), IsEmpty());
        now_.peers[0].state = peer_state::late;
        EXPECT_THAT(look(), IsEmpty());
    }
    now_.peers[0].state = peer_state::silent;
    EXPECT_THAT(look(), testing::ElementsAre(HasSubstr("is silent")));
}

TEST_F(change_log_test, tells_when_a_live_peer_does_not_read_us_any_more) {
    look();
    now_.peers[0].state = peer_state::alive;
    EXPECT_THAT(look(), testing::SizeIs(1));
    now_.peers[0].hears_us = true;
    EXPECT_THAT(look(), testing::ElementsAre("ring dhb0: node 2 (n2) reads us"));
    now_.peers[0].hears_us = false;
    EXPECT_THAT(look(), testing::ElementsAre(HasSubstr("is alive, but does not read us any more")));
    EXPECT_THAT(look(), IsEmpty());
    now_.peers[0].state = peer_state::silent;
    EXPECT_THAT(look(), testing::SizeIs(1));
}

TEST_F(change_log_test, tells_each_change_of_a_receive_volume) {
    look();
    receive_area_status area;
    area.volume = "/dev/copy";
    area.nodes = {3, 4};
    area.error = "/dev/copy: No such file or directory";
    now_.receive_areas.push_back(area);
    EXPECT_THAT(look(), testing::ElementsAre(HasSubstr("receive volume /dev/copy (nodes 3, 4): "
                                                       "waiting_for_volume: /dev/copy: No such")));
    EXPECT_THAT(look(), IsEmpty());
    now_.ring_error = area.error;  // the engine says it there as well
    EXPECT_THAT(look(), IsEmpty());
    now_.ring_error.clear();
    now_.receive_areas[0].state = ring_state::running;
    now_.receive_areas[0].error.clear();
    EXPECT_THAT(look(), testing::ElementsAre(HasSubstr("(nodes 3, 4): running")));
}

TEST_F(change_log_test, gives_each_state_of_the_ring_its_message_id) {
    for (const auto& [state, id] :
         {std::pair(ring_state::waiting_for_volume, message_id::ring_waiting),
          std::pair(ring_state::running, message_id::ring_running),
          std::pair(ring_state::volume_lost, message_id::volume_lost),
          std::pair(ring_state::refused, message_id::volume_refused)}) {
        now_.state = state;
        EXPECT_THAT(look_for_ids(), testing::ElementsAre(id));
    }
    now_.state = ring_state::running;
    look();
    now_.io_pending = 2s;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::volume_silent));
    now_.io_pending = 0ms;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::volume_answers));
    count(counter::lost_gap) = 1;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::frames_lost));
    now_.receive_areas.emplace_back();
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::receive_volume));
}

TEST_F(change_log_test, gives_each_state_of_a_peer_its_message_id) {
    look();
    auto& peer = now_.peers[0];
    peer.state = peer_state::alive;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_alive));
    peer.hears_us = true;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_reads));
    peer.state = peer_state::late;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_late));
    peer.state = peer_state::alive;
    EXPECT_THAT(look_for_ids(), IsEmpty());
    EXPECT_THAT(look_for_ids(1s), testing::ElementsAre(message_id::peer_in_time));
    peer.hears_us = false;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_does_not_read));
    peer.state = peer_state::silent;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_silent));
    peer.state = peer_state::stopped;
    EXPECT_THAT(look_for_ids(), testing::ElementsAre(message_id::peer_stopped));
}

}  // namespace
}  // namespace diskhb::daemon
