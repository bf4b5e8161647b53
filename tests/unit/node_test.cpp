// SPDX-License-Identifier: BSD-3-Clause
// Real nodes with their threads on a volume in a file.
#include "diskhb/node.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "real_node.hpp"
#include "volume_file.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;
using test::eventually;

std::vector<std::byte> payload(std::size_t size, unsigned seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::byte>(seed * 31 + index * 7);
    }
    return bytes;
}

class node_test : public testing::TestWithParam<io_backend> {
  protected:
    node_options options(std::uint32_t id, std::vector<std::uint32_t> peers) const {
        return test::quick_options(id, std::move(peers), GetParam());
    }
    static bool hears(const node& from, std::uint32_t id) {
        for (const auto& peer : from.statistics().peers) {
            if (peer.node_id == id) {
                return peer.state == peer_state::alive && peer.acknowledges_us;
            }
        }
        return false;
    }
    static void wait_for_both(const node& one, const node& two) {
        ASSERT_TRUE(eventually([&] { return hears(one, 2) && hears(two, 1); }));
    }
    test::volume_file volume_;
};

TEST_P(node_test, carries_datagrams_of_every_size_in_order) {
    node one(volume_.path(), options(1, {2}));
    node two(volume_.path(), options(2, {1}));
    one.start();
    two.start();
    wait_for_both(one, two);
    std::vector<std::byte> buffer(max_datagram_bytes);
    for (const std::size_t size : {0, 1, 256, 1500, 4000, 9000, 40000, 65536}) {
        const auto sent = payload(size, static_cast<unsigned>(size));
        ASSERT_FALSE(one.submit(2, packet_type::cluster, sent));
        const auto got = two.receive(buffer, 20s);
        ASSERT_TRUE(got.has_value()) << size << ": " << got.error().message();
        EXPECT_EQ(got->from, 1U);
        ASSERT_EQ(got->size_bytes, size);
        EXPECT_TRUE(std::equal(sent.begin(), sent.end(), buffer.begin()));
    }
    EXPECT_TRUE(eventually([&] { return two.statistics()[counter::frames_delivered] == 8; }));
    EXPECT_EQ(one.statistics()[counter::bytes_submitted],
              0U + 1 + 256 + 1500 + 4000 + 9000 + 40000 + 65536);
}

TEST_P(node_test, measures_the_round_trip_of_an_echo) {
    node one(volume_.path(), options(1, {2}));
    node two(volume_.path(), options(2, {1}));
    one.start();
    two.start();
    wait_for_both(one, two);
    const auto took = one.echo(2, 20s);
    ASSERT_TRUE(took.has_value()) << took.error().message();
    EXPECT_GT(took->count(), 0);
    EXPECT_EQ(one.echo(3, 10ms).error(), errc::timed_out);
    EXPECT_EQ(one.echo(99, 10ms).error(), errc::no_such_node);
}

TEST_P(node_test, delivers_messages_once_and_in_order) {
    node one(volume_.path(), options(1, {2}));
    node two(volume_.path(), options(2, {1}));
    one.start();
    two.start();
    wait_for_both(one, two);
    constexpr unsigned count = 300;
    std::thread sender([&] {
        for (unsigned number = 0; number < count;) {
            const std::size_t size = number % 50 == 0 ? max_message_bytes : number * 97 % 40000;
            const auto error = one.send_message(2, payload(size, number));
            if (!error) {
                ++number;
            } else {
                ASSERT_EQ(error, errc::window_shut);
                std::this_thread::yield();
            }
        }
    });
    std::vector<std::byte> buffer(max_message_bytes);
    for (unsigned number = 0; number < count; ++number) {
        const auto got = two.receive_message(buffer, 30s);
        if (!got) {
            ADD_FAILURE() << number << ": " << got.error().message();
            break;
        }
        const std::size_t size = number % 50 == 0 ? max_message_bytes : number * 97 % 40000;
        const auto sent = payload(size, number);
        EXPECT_EQ(got->size_bytes, size) << number;
        EXPECT_TRUE(std::equal(sent.begin(), sent.end(), buffer.begin())) << number;
    }
    sender.join();
}

TEST_P(node_test, counts_every_frame_that_it_refuses) {
    auto small = options(1, {2});
    small.queue_bytes = 300'000;
    small.fill_bytes = 100'000;
    node one(volume_.path(), small);
    const auto big = payload(max_datagram_bytes, 1);
    EXPECT_EQ(one.submit(2, packet_type::cluster, big), errc::not_joined);
    one.start();
    ASSERT_TRUE(eventually([&] { return one.statistics().state == ring_state::running; }));
    EXPECT_EQ(one.submit(2, packet_type::cluster, std::vector<std::byte>(max_datagram_bytes + 1)),
              errc::too_long);
    EXPECT_EQ(one.submit(5, packet_type::cluster, big), errc::no_such_node);
    EXPECT_EQ(one.submit(1, packet_type::cluster, big), errc::no_such_node);
    std::uint64_t taken = 0;
    std::uint64_t refused = 0;
    while (refused < 10) {
        const auto error = one.submit(2, packet_type::cluster, big);
        ASSERT_TRUE(!error || error == errc::full);
        taken += error ? 0 : 1;
        refused += error ? 1 : 0;
    }
    const auto counted = one.statistics();
    EXPECT_EQ(counted[counter::frames_submitted], taken);
    EXPECT_EQ(counted[counter::dropped_full], refused);
    EXPECT_EQ(counted[counter::dropped_too_long], 1U);
    EXPECT_EQ(counted[counter::dropped_not_joined], 1U);
    one.stop();
    EXPECT_EQ(one.submit(2, packet_type::cluster, big), errc::closed);
}

TEST_P(node_test, keeps_out_of_a_slot_in_use_until_its_daemon_says_good_bye) {
    node first(volume_.path(), options(1, {2}));
    first.start();
    // A slot is taken by the first write to it, which has ended when the second one is counted. Two
    // that start in one moment both find it free; then one of them finds it stolen.
    ASSERT_TRUE(eventually([&] { return first.statistics()[counter::table_writes] > 1; }));
    node second(volume_.path(), options(1, {2}));
    second.start();
    ASSERT_TRUE(eventually([&] { return second.statistics().state == ring_state::refused; }));
    EXPECT_NE(second.statistics().ring_error, "");
    EXPECT_EQ(second.submit(2, packet_type::cluster, {}), errc::not_joined);
    EXPECT_EQ(second.statistics()[counter::table_writes], 0U);
    EXPECT_EQ(first.statistics().state, ring_state::running);
    first.stop();
    ASSERT_TRUE(eventually([&] { return second.statistics().state == ring_state::running; }));
    EXPECT_NE(second.statistics().incarnation, first.statistics().incarnation);
}

TEST_P(node_test, is_seen_to_leave_and_to_come_back_under_load) {
    node one(volume_.path(), options(1, {2}));
    one.start();
    std::uint64_t former = 0;
    for (int life = 0; life < 2; ++life) {
        node two(volume_.path(), options(2, {1}));
        two.start();
        wait_for_both(one, two);
        EXPECT_NE(two.statistics().incarnation, former);
        former = two.statistics().incarnation;
        for (int number = 0; number < 500; ++number) {
            static_cast<void>(two.submit(1, packet_type::cluster, payload(3000, 1)));
        }
        two.stop();
        EXPECT_TRUE(
            eventually([&] { return one.statistics().peers.at(0).state == peer_state::stopped; }));
    }
}

INSTANTIATE_TEST_SUITE_P(backends, node_test, testing::Values(io_backend::posix, io_backend::uring),
                         [](const auto& chosen) {
                             return chosen.param == io_backend::posix ? "posix" : "uring";
                         });

}  // namespace
}  // namespace diskhb
