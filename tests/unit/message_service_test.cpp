// SPDX-License-Identifier: BSD-3-Clause
// Two message services joined by their send queues, with an acknowledgement carried by hand.
#include "engine/message_service.hpp"

#include <gmock/gmock.h>

namespace diskhb::engine {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

struct hand_clock final : clock {
    std::uint64_t now_ns() const noexcept override { return time_ns; }
    std::uint64_t time_ns = 1'000'000'000;
};

// One node's side.
struct side {
    side(format::slot_index own, format::slot_index peer, const hand_clock& time)
        : slot(own), service({4, 3 << 20, 1 << 20, {peer}}, queue, counts, time) {}

    boost::system::error_code send(const std::string& text) {
        return service.send(1 - slot, std::as_bytes(std::span(text)));
    }
    std::vector<std::string> received() {
        std::vector<std::string> texts;
        std::vector<std::byte> into(max_message_bytes);
        while (const auto got = service.receive(into, 0s)) {
            texts.emplace_back(reinterpret_cast<const char*>(into.data()), got->size_bytes);
        }
        return texts;
    }
    format::slot_index slot;
    send_queue queue{2 << 20, 1};
    ring::counters counts;
    message_service service;
    std::uint64_t sequence = 0;  // of our log
};

class message_service_test : public testing::Test {
  protected:
    message_service_test() {
        one_.service.restart(100);
        two_.service.restart(200);
        one_.service.on_peer_block(1, 200, {});
        two_.service.on_peer_block(0, 100, {});
    }
    // Moves what waits in one's queue to two, but for those for which lose(number) holds, and
    // brings back the acknowledgement.
    void carry(std::uint64_t incarnation = 100,
               const std::function<bool(std::uint64_t)>& lose = nullptr) {
        std::size_t offset = 0;
        std::uint64_t number = 0;
        one_.queue.drain(
            area_, offset, 0,
            [&](const format::frame& piece) {
                one_.service.on_left_queue(1);
                ++one_.sequence;
                if (!lose || !lose(number++)) {
                    two_.service.on_piece(0, piece.payload);
                }
            },
            [](const format::frame&) {});
        one_.service.on_written(one_.sequence);
        time_.time_ns += 200'000'000;
        one_.service.on_peer_block(1, 200,
                                   {incarnation, one_.sequence, two_.service.wanted_from(0)});
    }
    std::vector<std::byte> area_ = std::vector<std::byte>(4 << 20);
    hand_clock time_;
    side one_{0, 1, time_};
    side two_{1, 0, time_};
};

TEST_F(message_service_test, delivers_messages_of_every_size_whole_and_in_order) {
    const std::vector<std::string> sent = {"a", "", std::string(100'000, 'b'),
                                           std::string(max_message_bytes, 'c'), "d"};
    for (const auto& text : sent) {
        ASSERT_FALSE(one_.send(text));
    }
    for (int round = 0; round < 10; ++round) {
        carry();
    }
    EXPECT_EQ(two_.received(), sent);
    EXPECT_EQ(one_.counts.get(counter::message_frames_resent), 0U);
}

TEST_F(message_service_test, repeats_what_was_lost_and_delivers_it_once) {
    one_.send("a");
    one_.send("b");
    one_.send("c");
    carry(100, [](std::uint64_t number) { return number == 1; });
    carry();
    EXPECT_THAT(two_.received(), ElementsAre("a", "b", "c"));
    EXPECT_EQ(one_.counts.get(counter::message_frames_resent), 2U);
}

TEST_F(message_service_test, shuts_the_window_until_the_peer_has_read) {
    const std::string half(max_message_bytes, 'x');
    boost::system::error_code error;
    int accepted = 0;
    while (!(error = one_.send(half))) {
        ++accepted;
    }
    EXPECT_EQ(error, errc::window_shut);
    EXPECT_EQ(accepted, 2);
    EXPECT_EQ(one_.counts.get(counter::messages_refused), 1U);
    for (int round = 0; round < 10; ++round) {
        carry();
    }
    EXPECT_FALSE(one_.send(half));
}

TEST_F(message_service_test, holds_back_while_the_receivers_client_takes_nothing) {
    const std::string big(max_message_bytes, 'x');
    std::size_t accepted = 0;
    for (int round = 0; round < 60; ++round) {
        accepted += one_.send(big) ? 0 : 1;
        carry();
    }
    EXPECT_LE(accepted, 5U);  // what fits the receiver's inbox and our window
    std::size_t delivered = two_.received().size();
    for (int round = 0; round < 60; ++round) {
        carry();
        delivered += two_.received().size();
    }
    EXPECT_EQ(delivered, accepted);
}

TEST_F(message_service_test, takes_no_piece_of_a_former_life_of_either_side) {
    one_.send("for the former receiver");
    two_.service.restart(201);
    carry();
    EXPECT_THAT(two_.received(), ElementsAre());
    one_.service.on_peer_block(1, 201, {});
    one_.send("from the former sender");
    // The sender begins anew while the piece still waits in its queue.
    one_.service.restart(101);
    two_.service.on_peer_block(0, 101, {});
    carry(101);
    EXPECT_THAT(two_.received(), ElementsAre());
}

TEST_F(message_service_test, accepts_nothing_before_both_sides_have_joined) {
    one_.service.restart(0);
    EXPECT_EQ(one_.send("x"), errc::not_reachable);
    side lonely(0, 1, time_);
    lonely.service.restart(5);
    EXPECT_EQ(lonely.send("x"), errc::not_reachable);
    EXPECT_EQ(lonely.service.send(2, {}), errc::no_such_node);
    EXPECT_EQ(lonely.service.send(200, {}), errc::no_such_node);
}

TEST_F(message_service_test, survives_pieces_that_make_no_sense) {
    std::vector<std::byte> piece(100, std::byte{0xff});
    for (std::size_t size = 0; size <= piece.size(); ++size) {
        EXPECT_FALSE(two_.service.on_piece(0, std::span(piece).first(size)));
    }
    EXPECT_FALSE(two_.service.on_piece(3, piece));
    EXPECT_FALSE(two_.service.on_piece(77, piece));
}

}  // namespace
}  // namespace diskhb::engine
