// SPDX-License-Identifier: BSD-3-Clause
// The sender's window towards one peer.
#include "engine/message_window.hpp"

#include <gtest/gtest.h>

namespace diskhb::engine {
namespace {

format::acknowledgement ack(std::uint64_t read_sequence, std::uint64_t message_sequence) {
    return {1, read_sequence, message_sequence};
}

// Three pieces in the queue, then written as the frames 10, 11 and 12 of our log.
class message_window_test : public testing::Test {
  protected:
    message_window_test() {
        for (int piece = 0; piece < 3; ++piece) {
            window_.add();
            window_.on_sent();
        }
    }
    void write() {
        for (int piece = 0; piece < 3; ++piece) {
            window_.on_left_queue();
        }
        window_.on_written(13);
    }
    send_window window_;
};

TEST_F(message_window_test, releases_what_the_peer_has_taken) {
    write();
    const auto two = window_.on_acknowledgement(ack(12, 2));
    EXPECT_EQ(two.released, 2U);
    EXPECT_FALSE(two.lost);
    const auto last = window_.on_acknowledgement(ack(13, 3));
    EXPECT_EQ(last.released, 1U);
    EXPECT_FALSE(last.lost);
    EXPECT_EQ(window_.base(), window_.next());
}

TEST_F(message_window_test, finds_pieces_lost_when_their_frames_were_read_without_them) {
    write();
    EXPECT_FALSE(window_.on_acknowledgement(ack(12, 0)).lost);
    EXPECT_TRUE(window_.on_acknowledgement(ack(13, 0)).lost);
    window_.go_back();
    EXPECT_EQ(window_.sent(), 0U);
    EXPECT_FALSE(window_.on_acknowledgement(ack(99, 0)).lost);  // nothing is on its way
}

TEST_F(message_window_test, repeats_nothing_while_a_copy_waits_in_the_queue) {
    window_.on_written(10);
    EXPECT_FALSE(window_.on_acknowledgement(ack(50, 0)).lost);
    window_.on_left_queue();
    window_.on_left_queue();
    window_.on_written(12);
    EXPECT_FALSE(window_.on_acknowledgement(ack(50, 0)).lost);
    window_.on_left_queue();
    window_.on_written(13);
    EXPECT_TRUE(window_.on_acknowledgement(ack(50, 0)).lost);
}

// An answer may be on its way for longer than the client pauses between two messages.
TEST_F(message_window_test, finds_old_pieces_lost_while_new_ones_are_sent_all_the_time) {
    write();
    for (std::uint64_t piece = 1; piece <= 5; ++piece) {
        window_.add();
        window_.on_sent();
        window_.on_left_queue();
        window_.on_written(13 + piece);
        EXPECT_FALSE(window_.on_acknowledgement(ack(12, 0)).lost);
    }
    EXPECT_TRUE(window_.on_acknowledgement(ack(13, 0)).lost);
    window_.go_back();
    EXPECT_EQ(window_.sent(), 0U);
}

TEST_F(message_window_test, asks_of_newer_pieces_what_came_of_them_when_the_older_ones_arrived) {
    write();
    window_.add();
    window_.on_sent();
    window_.on_left_queue();
    EXPECT_EQ(window_.on_acknowledgement(ack(13, 3)).released, 3U);
    window_.on_written(14);
    EXPECT_FALSE(window_.on_acknowledgement(ack(13, 3)).lost);
    EXPECT_TRUE(window_.on_acknowledgement(ack(14, 3)).lost);
}

TEST_F(message_window_test, believes_no_acknowledgement_of_what_was_never_there) {
    write();
    EXPECT_EQ(window_.on_acknowledgement(ack(13, 4)).released, 0U);
    EXPECT_EQ(window_.on_acknowledgement(ack(13, UINT64_MAX)).released, 0U);
    EXPECT_EQ(window_.base(), 0U);
    EXPECT_EQ(window_.on_acknowledgement(ack(13, 3)).released, 3U);
    EXPECT_EQ(window_.on_acknowledgement(ack(13, 1)).released, 0U);
}

TEST_F(message_window_test, takes_back_what_arrived_after_it_had_gone_back) {
    write();
    window_.go_back();
    EXPECT_EQ(window_.on_acknowledgement(ack(13, 2)).released, 2U);
    EXPECT_EQ(window_.sent(), 2U);  // the rest only is sent again
}

TEST_F(message_window_test, compares_sequences_that_wrap) {
    for (int piece = 0; piece < 3; ++piece) {
        window_.on_left_queue();
    }
    window_.on_written(2);  // wrapped
    EXPECT_FALSE(window_.on_acknowledgement(ack(UINT64_MAX, 0)).lost);
    EXPECT_TRUE(window_.on_acknowledgement(ack(2, 0)).lost);
}

}  // namespace
}  // namespace diskhb::engine
