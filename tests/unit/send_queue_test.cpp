// SPDX-License-Identifier: BSD-3-Clause
// What clients have submitted and the flusher has not written yet.
#include "engine/send_queue.hpp"

#include <gmock/gmock.h>

#include <string>

namespace diskhb::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using wake_when = send_queue::wake_when;

struct counting_waker final : waker {
    void wake() noexcept override { ++wakes; }
    int wakes = 0;
};

class send_queue_test : public testing::Test {
  protected:
    boost::system::error_code submit(const std::string& text,
                                     packet_type type = packet_type::cluster,
                                     std::uint64_t submitted_ns = 100) {
        return queue_.submit(
            type, {1, format::frame_kind::datagram, submitted_ns, std::as_bytes(std::span(text))});
    }
    std::vector<std::string> drain(std::size_t room = 1 << 20, std::uint64_t oldest_ns = 0) {
        std::vector<std::byte> area(room);
        std::size_t offset = 0;
        std::vector<std::string> texts;
        expired_ = 0;
        queue_.drain(
            area, offset, oldest_ns,
            [&](const format::frame& one) {
                texts.emplace_back(reinterpret_cast<const char*>(one.payload.data()),
                                   one.payload.size());
            },
            [&](const format::frame&) { ++expired_; });
        return texts;
    }
    static constexpr std::size_t capacity = 4096;
    static constexpr std::size_t small_frame = format::frame_bytes(8);
    static constexpr std::size_t routed_share = 3 * small_frame;
    send_queue queue_{capacity, 10 * small_frame, {capacity / 2, routed_share}};
    std::shared_ptr<counting_waker> waker_ = std::make_shared<counting_waker>();
    int expired_ = 0;
};

TEST_F(send_queue_test, gives_frames_out_in_order_control_before_cluster_before_bulk) {
    submit("bulk 1", packet_type::bulk);
    submit("cluster 1");
    submit("control 1", packet_type::control);
    submit("cluster 2");
    submit("bulk 2", packet_type::bulk);
    EXPECT_THAT(drain(), ElementsAre("control 1", "cluster 1", "cluster 2", "bulk 1", "bulk 2"));
    EXPECT_EQ(queue_.filled().bytes, 0U);
}

TEST_F(send_queue_test, gives_routed_frames_out_last_and_no_more_than_their_share_at_once) {
    for (int number = 1; number <= 4; ++number) {
        submit("route " + std::to_string(number), packet_type::routed);
    }
    submit("bulk 1", packet_type::bulk);
    EXPECT_THAT(drain(), ElementsAre("bulk 1", "route 1", "route 2", "route 3"));
    submit("cluster 1");
    EXPECT_THAT(drain(), ElementsAre("cluster 1", "route 4"));
    EXPECT_EQ(queue_.filled().bytes, 0U);
}

TEST_F(send_queue_test, refuses_routed_frames_beyond_their_queue_and_no_others) {
    const std::string half(capacity / 4, 'r');
    EXPECT_FALSE(submit(half, packet_type::routed));
    EXPECT_TRUE(submit(half, packet_type::routed));
    EXPECT_FALSE(submit(half, packet_type::bulk));
}

TEST_F(send_queue_test, takes_no_routed_frames_unless_asked_to) {
    send_queue plain(capacity, 1);
    EXPECT_EQ(plain.submit(packet_type::routed, {1, format::frame_kind::datagram, 1, {}}),
              errc::full);
    EXPECT_EQ(plain.memory_bytes(), capacity * 2 * 3);
    EXPECT_EQ(queue_.memory_bytes(), capacity * 2 * 3 + capacity);
}

TEST_F(send_queue_test, fills_one_buffer_while_the_other_is_drained) {
    submit("a");
    submit("b");
    EXPECT_THAT(drain(small_frame), ElementsAre("a"));  // "b" stays in the buffer being drained
    submit("c");
    EXPECT_EQ(queue_.filled().bytes, 2 * small_frame);
    EXPECT_THAT(drain(), ElementsAre("b", "c"));
}

TEST_F(send_queue_test, refuses_what_exceeds_a_buffer_and_takes_it_once_drained) {
    std::size_t taken = 0;
    while (!submit("12345678")) {
        ++taken;
    }
    EXPECT_EQ(taken, capacity / small_frame);
    EXPECT_EQ(submit("12345678"), errc::full);
    EXPECT_FALSE(submit("other type", packet_type::bulk));  // each type has its own room
    // The drained side is another buffer: there is room again as soon as the flusher begins.
    EXPECT_EQ(drain(small_frame).size(), 1U);
    EXPECT_FALSE(submit("12345678"));
    EXPECT_EQ(drain().size(), taken + 1);
}

TEST_F(send_queue_test, drops_what_is_too_old) {
    submit("old", packet_type::cluster, 10);
    submit("new", packet_type::cluster, 20);
    EXPECT_THAT(drain(1 << 20, 20), ElementsAre("new"));
    EXPECT_EQ(expired_, 1);
}

TEST_F(send_queue_test, knows_its_oldest_frame) {
    submit("bulk", packet_type::bulk, 50);
    submit("cluster", packet_type::cluster, 70);
    EXPECT_EQ(queue_.filled().oldest_ns, 50U);
    submit("control", packet_type::control, 40);
    EXPECT_EQ(queue_.filled().oldest_ns, 40U);
    drain(format::frame_bytes(7));  // control only
    EXPECT_EQ(queue_.filled().oldest_ns, 50U);
}

TEST_F(send_queue_test, wakes_the_flusher_once_at_the_first_frame) {
    queue_.arm(wake_when::any_frame, waker_);
    submit("a");
    submit("b");
    EXPECT_EQ(waker_->wakes, 1);
}

TEST_F(send_queue_test, wakes_the_flusher_once_at_the_fill_point) {
    EXPECT_EQ(queue_.arm(wake_when::filled, waker_).bytes, 0U);
    for (int number = 0; number < 9; ++number) {
        submit("12345678");
        EXPECT_EQ(waker_->wakes, 0);
    }
    submit("12345678");
    submit("12345678");
    EXPECT_EQ(waker_->wakes, 1);
}

TEST_F(send_queue_test, wakes_nobody_who_did_not_ask) {
    queue_.arm(wake_when::any_frame, waker_);
    queue_.arm(wake_when::never, nullptr);
    submit("a");
    EXPECT_EQ(waker_->wakes, 0);
    EXPECT_EQ(waker_.use_count(), 1);
}

TEST_F(send_queue_test, leaves_what_does_not_fit_and_all_behind_it) {
    submit(std::string(500, 'x'));
    submit("small", packet_type::bulk);
    EXPECT_THAT(drain(100), IsEmpty());
    EXPECT_EQ(drain().size(), 2U);
}

}  // namespace
}  // namespace diskhb::engine
