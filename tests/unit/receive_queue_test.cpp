// SPDX-License-Identifier: BSD-3-Clause
// What has come for this node and waits for a client's receive call.
#include "engine/receive_queue.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace diskhb::engine {
namespace {

using namespace std::chrono_literals;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string take(receive_queue& queue, std::uint32_t from) {
    std::string into(1000, '\0');
    const auto got = queue.take(std::as_writable_bytes(std::span(into)), 0s);
    if (!got) {
        return got.error().message();
    }
    EXPECT_EQ(got->from, from);
    into.resize(got->size_bytes);
    return into;
}

TEST(receive_queue, gives_out_what_came_in_order_with_its_sender) {
    receive_queue queue(1000);
    EXPECT_TRUE(queue.put(3, bytes("first")));
    EXPECT_TRUE(queue.put(4, {}));
    EXPECT_TRUE(queue.put(5, bytes("third")));
    EXPECT_EQ(take(queue, 3), "first");
    EXPECT_EQ(take(queue, 4), "");
    EXPECT_EQ(take(queue, 5), "third");
}

TEST(receive_queue, refuses_when_full_and_goes_on_after_a_take) {
    receive_queue queue(100);
    int taken = 0;
    while (queue.put(1, bytes("0123456789"))) {
        ++taken;
    }
    EXPECT_EQ(taken, 5);
    EXPECT_EQ(take(queue, 1), "0123456789");
    EXPECT_TRUE(queue.put(1, bytes("0123456789")));
    EXPECT_FALSE(queue.put(1, bytes("0123456789")));
}

TEST(receive_queue, survives_many_times_round) {
    receive_queue queue(77);
    for (int round = 0; round < 1000; ++round) {
        const std::string text(static_cast<std::size_t>(round % 30), 'x');
        ASSERT_TRUE(queue.put(1, bytes(text)));
        ASSERT_TRUE(queue.put(2, bytes("y")));
        ASSERT_EQ(take(queue, 1), text);
        ASSERT_EQ(take(queue, 2), "y");
    }
}

TEST(receive_queue, keeps_what_is_too_long_for_the_callers_buffer) {
    receive_queue queue(100);
    queue.put(1, bytes("0123456789"));
    std::array<std::byte, 5> small{};
    EXPECT_EQ(queue.take(small, 0s).error(), errc::too_long);
    EXPECT_EQ(take(queue, 1), "0123456789");
}

TEST(receive_queue, waits_no_longer_than_asked) {
    receive_queue queue(100);
    std::array<std::byte, 5> small{};
    EXPECT_EQ(queue.take(small, 1ms).error(), errc::timed_out);
}

TEST(receive_queue, wakes_who_waits_when_something_comes) {
    receive_queue queue(100);
    std::string got;
    std::thread taker([&] {
        std::string into(100, '\0');
        const auto found = queue.take(std::as_writable_bytes(std::span(into)), 60s);
        got = found ? into.substr(0, found->size_bytes) : "nothing";
    });
    queue.put(1, bytes("hello"));
    taker.join();
    EXPECT_EQ(got, "hello");
}

TEST(receive_queue, lets_go_of_who_waits_when_it_is_closed) {
    receive_queue queue(100);
    boost::system::error_code error;
    std::thread taker([&] {
        std::array<std::byte, 5> small{};
        error = queue.take(small, 60s).error();
    });
    queue.close();
    taker.join();
    EXPECT_EQ(error, errc::closed);
    EXPECT_FALSE(queue.put(1, bytes("late")));
}

TEST(receive_queue, gives_out_what_was_there_before_it_was_closed) {
    receive_queue queue(100);
    queue.put(1, bytes("early"));
    queue.close();
    EXPECT_EQ(take(queue, 1), "early");
    EXPECT_EQ(take(queue, 1), make_error_code(errc::closed).message());
}

TEST(receive_queue, without_memory_refuses_everything) {
    receive_queue queue(0);
    EXPECT_FALSE(queue.put(1, {}));
    EXPECT_EQ(take(queue, 1), make_error_code(errc::closed).message());
}

}  // namespace
}  // namespace diskhb::engine
