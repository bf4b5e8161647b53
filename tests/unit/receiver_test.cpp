// SPDX-License-Identifier: BSD-3-Clause
// The receiver over a simulated volume: what it reads and when, and what it tells.
#include "engine/receiver.hpp"

#include <gmock/gmock.h>

#include "engine/clock.hpp"
#include "peer_log.hpp"
#include "sim_ring.hpp"

namespace diskhb::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;

struct noting_observer final : receive_observer {
    void on_frame(format::slot_index from, const format::frame& received) noexcept override {
        texts.push_back(std::to_string(from + 1) + ":" +
                        std::string(reinterpret_cast<const char*>(received.payload.data()),
                                    received.payload.size()));
    }
    void on_peer_block(format::slot_index, std::uint64_t,
                       const format::acknowledgement&) noexcept override {
        ++blocks;
    }
    std::uint64_t message_sequence_from(format::slot_index peer) noexcept override {
        return 1000U + peer;
    }
    std::vector<std::string> texts;
    int blocks = 0;
};

class receiver_test : public testing::Test {
  protected:
    receiver_test() {
        for (auto* peer : {&two_, &three_}) {
            publish(*peer);
        }
        receiver_setup setup;
        setup.measures = ring_.content().measures;
        setup.cluster = ring_.content().cluster;
        setup.node_id = 1;
        setup.peers = {2, 3};
        setup.read_bytes = ring::longest_batch_bytes(setup.measures);
        setup.ttl_ns = 200 * ms;
        setup.peer_timeout_ns = 1000 * ms;
        setup.poll = {20 * us, 2 * ms, 10 * ms};
        receiver_ = std::make_unique<receiver>(setup, board_, counts_, observer_);
        attach();
    }
    void attach() {
        channel_ = ring_.open(port_, 0, receiver::channel_depth);
        receiver_->attach(*channel_);
    }
    void publish(test::peer_log& peer, const std::vector<std::string>& texts = {}) {
        ring_.volume().settle();
        peer.clock_ns = ring_.now_ns();
        peer.publish(texts);
        peer.store(ring_.volume().bytes());
        peer.skip_sequences(texts.size());
    }
    void run(std::uint64_t duration_ns) {
        ring_.run_until(ring_.now_ns() + duration_ns,
                        [&](std::uint64_t now_ns) { return receiver_->step(now_ns); });
    }
    // Some beats of both peers.
    void meet() {
        for (int beat = 0; beat < 3; ++beat) {
            run(20 * ms);
            publish(two_);
            publish(three_);
        }
        run(20 * ms);
    }
    peer_status status(std::size_t index) const {
        return receiver_->peers(ring_.now_ns(), 0).at(index);
    }
    std::uint64_t count(counter which) const { return counts_.get(which); }

    test::sim_ring ring_;
    std::shared_ptr<io::sim_port> port_ = ring_.make_port(1);
    ring::counters counts_;
    acknowledgement_board board_{ring_.content().measures.slots};
    noting_observer observer_;
    test::peer_log two_{ring_.content(), 1, 200};
    test::peer_log three_{ring_.content(), 2, 300};
    std::unique_ptr<test::guarded_channel> channel_;
    std::unique_ptr<receiver> receiver_;
};

TEST_F(receiver_test, hands_out_frames_of_all_peers_from_ring_and_table) {
    meet();
    two_.clock_ns = three_.clock_ns = ring_.now_ns();
    two_.write_batch({"a", "b"});
    publish(two_, {"c"});
    publish(three_, {"d"});
    run(20 * ms);
    EXPECT_THAT(observer_.texts, testing::UnorderedElementsAre("2:a", "2:b", "2:c", "3:d"));
    EXPECT_EQ(count(counter::ring_reads), 1U);
}

TEST_F(receiver_test, reads_the_table_of_all_nodes_with_one_read_at_the_idle_interval) {
    run(100 * ms);
    const auto reads = count(counter::table_reads);
    const auto bytes = count(counter::bytes_read);
    run(1000 * ms);
    EXPECT_NEAR(static_cast<double>(count(counter::table_reads) - reads), 100, 1);
    EXPECT_EQ(count(counter::bytes_read) - bytes,
              (count(counter::table_reads) - reads) * 3 * 4096);  // slots 1 to 3
    EXPECT_EQ(channel_->writes, 0U);
}

// A thread wakes some 100 us after it wanted to; 1 % fewer reads would be 1 % less than promised.
TEST_F(receiver_test, keeps_its_idle_rate_though_it_always_wakes_late) {
    run(100 * ms);
    const auto reads = count(counter::table_reads);
    ring_.run_until(ring_.now_ns() + 10'000 * ms, [&](std::uint64_t now_ns) {
        const std::uint64_t next_ns = receiver_->step(now_ns);
        return next_ns == never_ns || next_ns <= now_ns ? next_ns : next_ns + 100 * us;
    });
    EXPECT_NEAR(static_cast<double>(count(counter::table_reads) - reads), 1000, 1);
}

TEST_F(receiver_test, polls_hot_after_frames_and_after_we_have_sent) {
    meet();
    run(100 * ms);
    const auto idle_reads = count(counter::table_reads);
    EXPECT_TRUE(receiver_->expect_answer());   // asleep for long: worth waking
    EXPECT_FALSE(receiver_->expect_answer());  // once is enough
    run(2 * ms);
    EXPECT_GE(count(counter::table_reads) - idle_reads, 8U);
}

TEST_F(receiver_test, writes_down_what_it_has_read_for_the_next_table_block) {
    meet();
    publish(two_, {"a", "b"});
    run(20 * ms);
    std::vector<format::acknowledgement> acks(ring_.content().measures.slots);
    board_.take(acks);
    EXPECT_EQ(acks[1], (format::acknowledgement{200, 2, 1001, 5}));
    EXPECT_EQ(acks[2], (format::acknowledgement{300, 0, 1002, 4}));
    EXPECT_EQ(acks[0], format::acknowledgement{});
}

TEST_F(receiver_test, knows_which_peers_live) {
    EXPECT_EQ(status(0).state, peer_state::unknown);
    meet();
    EXPECT_EQ(status(0).state, peer_state::alive);
    EXPECT_EQ(status(0).node_id, 2U);
    three_.state = format::node_state::stopped;
    publish(three_);
    for (int beat = 0; beat < 12; ++beat) {
        publish(three_);
        run(100 * ms);
    }
    EXPECT_EQ(status(0).state, peer_state::silent);
    EXPECT_GT(status(0).heard_ago.count(), 1'000'000'000);
    EXPECT_EQ(status(1).state, peer_state::stopped);
}

TEST_F(receiver_test, says_unseen_while_a_read_hangs_and_while_the_volume_is_away) {
    meet();
    port_->set_hanging(true);
    run(500 * ms);
    EXPECT_EQ(status(0).state, peer_state::alive);
    run(700 * ms);
    EXPECT_EQ(status(0).state, peer_state::unseen);
    EXPECT_GT(receiver_->pending_ns(ring_.now_ns()), 1000 * ms);
    port_->set_hanging(false);
    publish(two_);
    run(20 * ms);
    EXPECT_EQ(status(0).state, peer_state::alive);

    port_->set_rate(io::sim_fault::read_error, 1);
    run(20 * ms);
    ASSERT_TRUE(receiver_->lost());
    EXPECT_EQ(count(counter::read_errors), 1U);
    receiver_->detach();
    run(1100 * ms);
    EXPECT_EQ(status(0).state, peer_state::unseen);
    EXPECT_EQ(status(1).state, peer_state::unseen);
    port_->set_all_rates(0);
    attach();
    publish(two_);
    run(20 * ms);
    EXPECT_EQ(status(0).state, peer_state::alive);
}

TEST_F(receiver_test, drops_what_became_visible_after_a_long_stall_of_its_writer) {
    meet();
    two_.clock_ns = ring_.now_ns();
    two_.publish({"stalled"});
    two_.skip_sequences(1);
    run(10'000 * ms);
    two_.store(ring_.volume().bytes());
    run(20 * ms);
    EXPECT_THAT(observer_.texts, IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 1U);
    publish(two_, {"fresh"});
    run(20 * ms);
    EXPECT_THAT(observer_.texts, ElementsAre("2:fresh"));
}

TEST_F(receiver_test, delivers_nothing_that_came_while_we_were_frozen_longer_than_the_ttl) {
    meet();
    publish(two_, {"old"});
    ring_.clock().advance_to(ring_.now_ns() + 300 * ms);
    run(20 * ms);
    EXPECT_THAT(observer_.texts, IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 1U);
}

TEST_F(receiver_test, finds_its_slot_free_or_taken) {
    run(5 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::free);  // never written
    receiver_->joined_as(77);
    test::peer_log thief(ring_.content(), 0, 666);
    publish(thief);
    run(20 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::free);  // it may be what was there before us
    publish(thief);
    run(20 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::taken);
    receiver_->joined_as(0);
    EXPECT_EQ(receiver_->slot(), slot_state::watching);
    run(980 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::watching);
    run(50 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::free);
}

TEST_F(receiver_test, watches_the_slot_anew_when_the_volume_was_away_meanwhile) {
    test::peer_log other(ring_.content(), 0, 666);
    publish(other);
    run(500 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::watching);
    while (receiver_->busy()) {
        ring_.clock().advance_to(ring_.volume().next_event_ns());
        receiver_->step(ring_.now_ns());
    }
    receiver_->detach();
    run(5000 * ms);
    attach();
    run(900 * ms);
    EXPECT_EQ(receiver_->slot(), slot_state::watching);
}

// A receiver of a copy; we write as life 77 and have encoded beat 5 when it began.
class copy_receiver_test : public receiver_test {
  protected:
    copy_receiver_test() {
        beats_.begin(77);
        beats_.on_encoded(5, ring_.now_ns());
        receiver_setup setup;
        setup.measures = ring_.content().measures;
        setup.cluster = ring_.content().cluster;
        setup.node_id = 1;
        setup.peers = {2, 3};
        setup.read_bytes = ring::longest_batch_bytes(setup.measures);
        setup.ttl_ns = 2000 * ms;
        setup.peer_timeout_ns = 1000 * ms;
        setup.poll = {20 * us, 2 * ms, 10 * ms};
        setup.source = ring::block_source::copy;
        setup.read_deadline_ns = 50 * ms;
        setup.beats = &beats_;
        receiver_ = std::make_unique<receiver>(setup, board_, counts_, observer_);
        receiver_->joined_as(77);
        for (auto* peer : {&two_, &three_}) {
            peer->acknowledged = {77, 0, 0, 5};
        }
        attach();
    }
    void send(std::uint64_t end_sequence) {
        receiver_->on_announced(end_sequence, ring_.now_ns(), slot_set().set(1));
    }
    ring::beat_log beats_;
};

TEST_F(copy_receiver_test, looks_at_no_slot_but_the_peers) {
    run(100 * ms);
    const auto reads = count(counter::table_reads);
    const auto bytes = count(counter::bytes_read);
    run(1000 * ms);
    EXPECT_EQ(count(counter::bytes_read) - bytes,
              (count(counter::table_reads) - reads) * 2 * 4096);  // slots 2 and 3
    test::peer_log thief(ring_.content(), 0, 666);
    for (int beat = 0; beat < 3; ++beat) {
        publish(thief);
        run(20 * ms);
    }
    EXPECT_EQ(receiver_->slot(), slot_state::watching);
}

TEST_F(copy_receiver_test, asks_to_acknowledge_frames_at_once_and_nothing_else) {
    meet();
    EXPECT_FALSE(board_.wanted_by_ns());
    publish(two_, {"a"});
    run(20 * ms);
    EXPECT_THAT(observer_.texts, ElementsAre("2:a"));
    ASSERT_TRUE(board_.wanted_by_ns());
    std::vector<format::acknowledgement> acks(ring_.content().measures.slots);
    board_.take(acks);
    EXPECT_EQ(acks[1], (format::acknowledgement{200, 1, 1001, two_.beat}));
    publish(two_);
    run(20 * ms);
    EXPECT_FALSE(board_.wanted_by_ns());
}

TEST_F(copy_receiver_test, says_who_hears_us_and_for_how_long_it_takes) {
    meet();
    EXPECT_TRUE(status(0).hears_us);
    EXPECT_EQ(status(0).state, peer_state::alive);
    send(1);
    run(30 * ms);
    two_.acknowledged = {77, 1, 0, 6};
    publish(two_);
    run(20 * ms);
    EXPECT_NEAR(static_cast<double>(status(0).lag_most.count()), 35e6, 6e6);
    EXPECT_EQ(status(0).deadline_breaches, 0U);
    send(2);
    run(60 * ms);
    EXPECT_EQ(status(0).state, peer_state::late);
    EXPECT_EQ(status(0).deadline_breaches, 1U);
    EXPECT_EQ(status(1).state, peer_state::alive);  // it was not for that one
    two_.acknowledged = {77, 2, 0, 7};
    publish(two_);
    send(3);
    run(20 * ms);
    two_.acknowledged = {77, 3, 0, 8};
    publish(two_);
    run(20 * ms);
    EXPECT_EQ(status(0).state, peer_state::alive);
    // It lives and goes on acknowledging the same beat: the way from us to it is cut.
    for (int beat = 0; beat < 12; ++beat) {
        publish(two_);
        run(100 * ms);
    }
    EXPECT_EQ(status(0).state, peer_state::alive);
    EXPECT_TRUE(status(0).acknowledges_us);
    EXPECT_FALSE(status(0).hears_us);
}

}  // namespace
}  // namespace diskhb::engine
