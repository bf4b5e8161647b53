// SPDX-License-Identifier: BSD-3-Clause
// Real nodes with their threads on a volume in a file.
#include "diskhb/node.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "volume_file.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;

std::vector<std::byte> payload(std::size_t size, unsigned seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::byte>(seed * 31 + index * 7);
    }
    return bytes;
}

// Polls a condition that other threads bring about; the deadline is generous, the wait short.
bool eventually(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + 20s;
         std::chrono::steady_clock::now() < end;) {
        if (condition()) {
            return true;
        }
        std::this_thread::yield();
    }
    return false;
}

class node_test : public testing::TestWithParam<io_backend> {
  protected:
    node_options options(std::uint32_t id, std::vector<std::uint32_t> peers) const {
        node_options chosen;
        chosen.node_id = id;
        chosen.peers = std::move(peers);
        chosen.backend = GetParam();
        chosen.ttl = 5s;  // sanitizers and a busy machine are slow; nothing here tests the TTL
        chosen.beat_interval = 20ms;
        chosen.peer_timeout = 2s;
        return chosen;
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

INSTANTIATE_TEST_SUITE_P(backends, node_test, testing::Values(io_backend::posix, io_backend::uring),
                         [](const auto& chosen) {
                             return chosen.param == io_backend::posix ? "posix" : "uring";
                         });

}  // namespace
}  // namespace diskhb
