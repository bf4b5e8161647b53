// SPDX-License-Identifier: BSD-3-Clause
#include "channel/session.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace diskhb::channels {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t beat = 100 * ms;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

// Two sessions and the frames between them, which a test lets through, drops or delays.
struct pair_of_sessions {
    session a{{11, beat, window_bytes_min}, 0};
    session b{{22, beat, window_bytes_min}, 0};
    std::uint64_t now = 0;
    std::vector<std::string> got_by_b;

    static hello hello_of(const session& one) {
        hello said;
        one.fill(said);
        return said;
    }
    void connect(path which) {
        ASSERT_EQ(b.on_connected(which, hello_of(a), now), session::welcome::accepted);
        ASSERT_EQ(a.on_connected(which, hello_of(b), now), session::welcome::accepted);
    }
    // Moves all that waits from one to the other; how many frames.
    int carry(session& from, session& to, path which) {
        int frames = 0;
        while (auto frame = from.next_output(which)) {
            ++frames;
            hand(to, which, *frame);
        }
        return frames;
    }
    session::verdict hand(session& to, path which, const outgoing& frame) {
        to.on_bytes(which, frame_header_bytes + frame.payload_bytes);
        const auto header = decode_header(frame.header);
        EXPECT_TRUE(header.has_value());
        const auto verdict = to.on_frame(which, *header, now);
        if (verdict == session::verdict::deliver && &to == &b) {
            got_by_b.emplace_back(reinterpret_cast<const char*>(frame.payload.get()),
                                  frame.payload_bytes);
        }
        if (verdict == session::verdict::deliver) {
            to.on_taken(frame.payload_bytes, to.counted().restarts);
        }
        return verdict;
    }
    void exchange(path which) {
        while (carry(a, b, which) + carry(b, a, which) > 0) {
        }
    }
    // Time passes in small steps; frames go by the paths given.
    void pass(std::uint64_t span_ns, bool network, bool volume) {
        for (const auto end = now + span_ns; now < end; now += 5 * ms) {
            for (session* const each : {&a, &b}) {
                const auto given_up = each->on_time(now);
                for (const path which : {path::network, path::volume}) {
                    if (given_up[index_of(which)]) {
                        a.on_closed(which);
                        b.on_closed(which);
                    }
                }
            }
            if (network) {
                exchange(path::network);
            }
            if (volume) {
                exchange(path::volume);
            }
        }
    }
};

TEST(channel_session, keeps_what_was_sent_before_there_was_a_path) {
    pair_of_sessions both;
    EXPECT_FALSE(both.a.add(bytes_of("one")));
    EXPECT_FALSE(both.a.add(bytes_of("")));
    EXPECT_FALSE(both.a.add(bytes_of("three")));
    both.connect(path::network);
    both.exchange(path::network);
    EXPECT_EQ(both.got_by_b, (std::vector<std::string>{"one", "", "three"}));
    both.pass(beat, true, true);
    EXPECT_EQ(both.a.waiting(), 0U);
}

TEST(channel_session, prefers_the_network_whichever_connects_first) {
    pair_of_sessions both;
    both.connect(path::volume);
    EXPECT_EQ(both.a.active(), path::volume);
    both.connect(path::network);
    EXPECT_EQ(both.a.active(), path::network);
}

TEST(channel_session, moves_to_the_volume_within_three_heartbeats_of_silence) {
    pair_of_sessions both;
    both.connect(path::network);
    both.connect(path::volume);
    both.pass(10 * beat, true, true);
    ASSERT_EQ(both.a.active(), path::network);
    EXPECT_EQ(both.a.counted().silences, 0U);
    const auto cut = both.now;
    while (both.a.active() == path::network && both.now < cut + 10 * beat) {
        both.pass(5 * ms, false, true);
    }
    EXPECT_EQ(both.a.active(), path::volume);
    EXPECT_LE(both.now - cut, 3 * beat);
    EXPECT_GE(both.now - cut, beat);
}

// A slow network, on which a message is longer in coming than a network may be silent.
TEST(channel_session, takes_a_message_that_is_coming_for_a_sign_that_the_path_carries) {
    pair_of_sessions both;
    both.connect(path::network);
    both.pass(3 * beat, true, true);
    EXPECT_FALSE(both.a.add(bytes_of(std::string(100'000, 'x'))));
    for (int i = 0; i < 20; ++i) {
        both.now += beat / 2;
        both.b.on_bytes(path::network, 5'000);
        both.b.on_part_of_message(path::network, both.now);
        EXPECT_FALSE(both.b.on_time(both.now)[0]);
    }
    // It stops: then the network is given up as ever.
    int beats = 0;
    while (!both.b.on_time(both.now)[0]) {
        both.now += beat / 2;
        ++beats;
    }
    EXPECT_EQ(beats, 2 * static_cast<int>(silence_beats));
}

// All that was handed to TCP at one instant says the same of what the sender had received then.
TEST(channel_session, takes_messages_that_say_nothing_new_for_a_sign_that_the_path_carries) {
    pair_of_sessions both;
    both.connect(path::network);
    both.pass(3 * beat, true, true);
    for (int i = 0; i < 20; ++i) {
        EXPECT_FALSE(both.a.add(bytes_of("burst")));
    }
    while (const auto frame = both.a.next_output(path::network)) {
        both.now += beat / 2;
        EXPECT_EQ(both.hand(both.b, path::network, *frame), session::verdict::deliver);
        EXPECT_FALSE(both.b.on_time(both.now)[0]);
    }
    EXPECT_EQ(both.got_by_b.size(), 20U);
    EXPECT_EQ(both.b.active(), path::network);
}

// Beats are so small that they come for long without our acknowledgements.
TEST(channel_session, takes_beats_that_say_nothing_new_for_silence) {
    pair_of_sessions both;
    both.connect(path::network);
    both.pass(3 * beat, true, true);
    bool is_given_up = false;
    for (int i = 0; i < 10 && !is_given_up; ++i) {
        both.now += beat / 2;
        both.a.on_time(both.now);
        both.carry(both.a, both.b, path::network);
        is_given_up = both.b.on_time(both.now)[0];
    }
    EXPECT_TRUE(is_given_up);
}

TEST(channel_session, sends_again_on_the_other_path_what_was_not_taken) {
    pair_of_sessions both;
    both.connect(path::network);
    both.connect(path::volume);
    both.exchange(path::network);
    EXPECT_FALSE(both.a.add(bytes_of("one")));
    EXPECT_FALSE(both.a.add(bytes_of("two")));
    const auto first = both.a.next_output(path::network);
    const auto lost = both.a.next_output(path::network);
    ASSERT_TRUE(first && lost);
    EXPECT_EQ(both.hand(both.b, path::network, *first), session::verdict::deliver);
    both.a.on_closed(path::network);
    EXPECT_EQ(both.a.active(), path::volume);
    both.exchange(path::volume);
    EXPECT_EQ(both.got_by_b, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(both.a.counted().resent, 2U);
    EXPECT_EQ(both.b.counted().duplicates, 1U);
}

TEST(channel_session, returns_to_the_network_only_when_that_has_been_steady) {
    pair_of_sessions both;
    both.connect(path::network);
    both.connect(path::volume);
    both.pass(3 * beat, true, true);
    both.pass(5 * beat, false, true);
    ASSERT_EQ(both.a.active(), path::volume);
    both.connect(path::network);
    EXPECT_EQ(both.a.active(), path::volume);
    both.pass((return_beats - 1) * beat, true, true);
    EXPECT_EQ(both.a.active(), path::volume);
    both.pass(2 * beat, true, true);
    EXPECT_EQ(both.a.active(), path::network);
}

TEST(channel_session, keeps_a_volume_that_hesitates_when_there_is_nothing_else) {
    pair_of_sessions both;
    both.connect(path::volume);
    both.pass(3 * beat, false, true);
    both.pass(5 * beat, false, false);
    EXPECT_EQ(both.a.active(), path::volume);
    both.pass((volume_silence_beats + 1) * beat, false, false);
    EXPECT_EQ(both.a.active(), std::nullopt);
}

TEST(channel_session, does_not_take_its_own_sleep_for_silence) {
    pair_of_sessions both;
    both.connect(path::network);
    both.pass(3 * beat, true, true);
    both.now += 100 * beat;
    EXPECT_FALSE(both.a.on_time(both.now)[0]);
    EXPECT_EQ(both.a.active(), path::network);
}

TEST(channel_session, shuts_the_window_until_the_other_application_has_taken) {
    pair_of_sessions both;
    both.connect(path::network);
    const std::string large(max_message_bytes, 'x');
    EXPECT_FALSE(both.a.add(bytes_of(large)));
    EXPECT_EQ(both.a.add(bytes_of(large)), errc::window_shut);
    EXPECT_FALSE(both.a.take_room());
    both.exchange(path::network);
    both.pass(beat, true, true);
    EXPECT_TRUE(both.a.take_room());
    EXPECT_FALSE(both.a.take_room());
    EXPECT_FALSE(both.a.add(bytes_of(large)));
    EXPECT_EQ(both.a.add(bytes_of(std::string(max_message_bytes + 1, 'x'))), errc::too_long);
}

TEST(channel_session, counts_empty_messages_against_the_window) {
    pair_of_sessions both;
    std::size_t accepted = 0;
    while (!both.a.add({})) {
        ++accepted;
    }
    EXPECT_EQ(accepted, window_bytes_min / message_overhead_bytes);
}

TEST(channel_session, gives_up_at_a_restart_what_the_former_process_may_have_taken) {
    pair_of_sessions both;
    both.connect(path::network);
    both.connect(path::volume);
    EXPECT_FALSE(both.a.add(bytes_of("taken or not")));
    both.a.on_closed(path::network);
    session reborn({33, beat, window_bytes_min}, both.now);
    // As long as the former one may live, it is the other side.
    const auto hello_of = pair_of_sessions::hello_of;
    EXPECT_EQ(both.a.on_connected(path::network, hello_of(reborn), both.now),
              session::welcome::refused);
    both.pass(silence_beats * beat + beat, false, false);
    EXPECT_EQ(both.a.on_connected(path::network, hello_of(reborn), both.now),
              session::welcome::accepted_alone);
    EXPECT_EQ(both.a.take_restart(), 1U);
    EXPECT_EQ(both.a.take_restart(), std::nullopt);
    EXPECT_EQ(both.a.waiting(), 0U);
    EXPECT_FALSE(both.a.is_connected(path::volume));
}

TEST(channel_session, knows_an_answer_to_its_hello_from_a_hello_that_waited_in_a_backlog) {
    pair_of_sessions both;
    EXPECT_FALSE(both.b.is_answer(pair_of_sessions::hello_of(both.a)));
    EXPECT_EQ(both.a.on_connected(path::network, pair_of_sessions::hello_of(both.b), 0),
              session::welcome::accepted);
    EXPECT_TRUE(both.b.is_answer(pair_of_sessions::hello_of(both.a)));
}

TEST(channel_session, refuses_itself) {
    pair_of_sessions both;
    EXPECT_EQ(both.a.on_connected(path::volume, pair_of_sessions::hello_of(both.a), both.now),
              session::welcome::refused);
}

TEST(channel_session, calls_malformed_what_cannot_be) {
    // Each has said something and heard that it came.
    const auto verdict_on = [](const frame_header& frame) {
        pair_of_sessions both;
        both.connect(path::network);
        both.a.on_time(0);
        both.b.on_time(0);
        EXPECT_EQ(both.carry(both.a, both.b, path::network), 1);
        EXPECT_EQ(both.carry(both.b, both.a, path::network), 1);
        EXPECT_EQ(both.carry(both.a, both.b, path::network), 1);
        return both.b.on_frame(path::network, frame, both.now);
    };
    frame_header sound;
    sound.kind = frame_kind::message;
    sound.received_bytes = frame_header_bytes;
    EXPECT_EQ(verdict_on(sound), session::verdict::deliver);
    auto frame = sound;
    frame.sequence = 1;  // a gap
    EXPECT_EQ(verdict_on(frame), session::verdict::malformed);
    frame = sound;
    frame.wanted = 1;  // of a message that was never sent
    EXPECT_EQ(verdict_on(frame), session::verdict::malformed);
    frame = sound;
    frame.received_bytes += 1;  // more than was sent
    EXPECT_EQ(verdict_on(frame), session::verdict::malformed);
    frame = sound;
    frame.received_bytes = 0;  // less than it has said before
    EXPECT_EQ(verdict_on(frame), session::verdict::malformed);
    pair_of_sessions apart;
    EXPECT_EQ(apart.b.on_frame(path::volume, sound, 0), session::verdict::malformed);
}

// The other side's window is not known before there is a connection.
TEST(channel_session, sends_no_more_than_fits_in_the_window_of_the_other_side) {
    session large({11, beat, 3 * window_bytes_min}, 0);
    session small({22, beat, window_bytes_min}, 0);
    const std::string message(400'000, 'x');
    int accepted = 0;
    while (!large.add(bytes_of(message))) {
        ++accepted;
    }
    EXPECT_EQ(accepted, 15);
    ASSERT_EQ(small.on_connected(path::network, pair_of_sessions::hello_of(large), 0),
              session::welcome::accepted);
    ASSERT_EQ(large.on_connected(path::network, pair_of_sessions::hello_of(small), 0),
              session::welcome::accepted);
    int delivered = 0;
    const auto receive_all = [&] {
        while (const auto frame = large.next_output(path::network)) {
            small.on_bytes(path::network, frame_header_bytes + frame->payload_bytes);
            const auto verdict =
                small.on_frame(path::network, decode_header(frame->header).value(), 0);
            ASSERT_NE(verdict, session::verdict::malformed);
            delivered += verdict == session::verdict::deliver ? 1 : 0;
        }
    };
    receive_all();
    EXPECT_EQ(delivered, 5);
    // One is taken and told of: there is room for one more.
    small.on_taken(message.size(), 0);
    small.owe_acknowledgements();
    const auto told = small.next_output(path::network);
    ASSERT_TRUE(told);
    large.on_bytes(path::network, frame_header_bytes);
    EXPECT_EQ(large.on_frame(path::network, decode_header(told->header).value(), 0),
              session::verdict::nothing);
    receive_all();
    EXPECT_EQ(delivered, 6);
}

TEST(channel_session, acknowledges_in_time_for_a_sender_with_a_smaller_window) {
    session small({11, beat, window_bytes_min}, 0);
    session large({22, beat, 512 * window_bytes_min}, 0);
    ASSERT_EQ(large.on_connected(path::network, pair_of_sessions::hello_of(small), 0),
              session::welcome::accepted);
    frame_header frame;
    frame.kind = frame_kind::message;
    frame.length_bytes = window_bytes_min / 4;
    EXPECT_EQ(large.on_frame(path::network, frame, 0), session::verdict::deliver);
    EXPECT_FALSE(large.has_output(path::network));
    large.on_taken(frame.length_bytes, 0);
    EXPECT_TRUE(large.has_output(path::network));
}

TEST(channel_session, refuses_more_than_the_window_that_it_has_named) {
    pair_of_sessions both;
    both.connect(path::network);
    frame_header frame;
    frame.kind = frame_kind::message;
    frame.length_bytes = max_message_bytes;
    EXPECT_EQ(both.b.on_frame(path::network, frame, 0), session::verdict::deliver);
    frame.sequence = 1;
    EXPECT_EQ(both.b.on_frame(path::network, frame, 0), session::verdict::malformed);
}

TEST(channel_session, wants_to_be_called_in_time_and_not_all_the_time) {
    pair_of_sessions both;
    both.connect(path::network);
    for (int i = 0; i < 1000; ++i) {
        both.a.on_time(both.now);
        const auto next = both.a.next_time_ns();
        ASSERT_GT(next, both.now);
        ASSERT_LE(next, both.now + beat / 4);
        both.now = next;
    }
    EXPECT_GT(both.now, 20 * beat);
}

}  // namespace
}  // namespace diskhb::channels
