// SPDX-License-Identifier: BSD-3-Clause
// Real nodes with their threads that write to one volume and read some peers from another. A peer's
// send volume itself serves as the copy of it, without lag.
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "diskhb/node.hpp"
#include "real_node.hpp"
#include "volume_file.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;
using test::eventually;

format::superblock superblock_of(std::uint8_t site, const std::string& cluster = "test",
                                 std::uint64_t ring_bytes = 1 << 20) {
    auto content = test::small_superblock(cluster, ring_bytes);
    content.cluster[0] = site;
    return content;
}

class node_sites_test : public testing::TestWithParam<io_backend> {
  protected:
    node_options options(std::uint32_t id, std::vector<std::uint32_t> peers,
                         std::vector<receive_volume> from) const {
        auto chosen = test::quick_options(id, std::move(peers), GetParam());
        chosen.receive_from = std::move(from);
        return chosen;
    }
    static bool hears(const node& from, std::uint32_t id) {
        for (const auto& peer : from.statistics().peers) {
            if (peer.node_id == id) {
                return peer.state == peer_state::alive && peer.hears_us;
            }
        }
        return false;
    }
    // An echo is one frame, never sent again: only the flood of these tests may lap it.
    static void expect_echo(node& from, std::uint32_t id) {
        for (int asked = 0; asked < 20; ++asked) {
            if (from.echo(id, 1s)) {
                return;
            }
            EXPECT_GT(from.statistics()[counter::lost_lapped], 0U) << "lost, but not overwritten";
        }
        ADD_FAILURE() << "node " << id << " answered none of 20 echo requests";
    }
    static receive_area_status area_of(const node& of) {
        return of.statistics().receive_areas.at(0);
    }

    test::volume_file a_{superblock_of(1)};
    test::volume_file b_{superblock_of(2)};
    std::vector<std::byte> buffer_ = std::vector<std::byte>(max_message_bytes);
};

TEST_P(node_sites_test, carry_datagrams_messages_and_echoes_within_and_between_sites) {
    node one(a_.path(), options(1, {2, 3}, {{b_.path(), {3}}}));
    node two(a_.path(), options(2, {1, 3}, {{b_.path(), {3}}}));
    node three(b_.path(), options(3, {1, 2}, {{a_.path(), {1, 2}}}));
    for (node* each : {&one, &two, &three}) {
        each->start();
    }
    ASSERT_TRUE(eventually([&] {
        return hears(one, 2) && hears(one, 3) && hears(two, 1) && hears(two, 3) &&
               hears(three, 1) && hears(three, 2);
    }));
    // Both receivers of node one are busy at once, and its clients too.
    std::vector<std::thread> senders;
    for (node* each : {&two, &three}) {
        senders.emplace_back([each] {
            const std::vector<std::byte> payload(3000, std::byte{1});
            for (int sent = 0; sent < 200;) {
                const bool taken = !each->send_message(1, payload);
                sent += taken ? 1 : 0;
                static_cast<void>(each->submit(1, packet_type::cluster, payload));
                std::this_thread::yield();
            }
        });
    }
    senders.emplace_back([&one] {
        expect_echo(one, 2);
        expect_echo(one, 3);
        static_cast<void>(one.statistics());
    });
    std::array<int, 4> got{};
    while (got[2] + got[3] < 400) {
        const auto message = one.receive_message(buffer_, 30s);
        ASSERT_TRUE(message.has_value()) << message.error().message();
        EXPECT_EQ(message->size_bytes, 3000U);
        ++got.at(message->from);
    }
    EXPECT_EQ(got[2], 200);
    EXPECT_EQ(got[3], 200);
    for (auto& each : senders) {
        each.join();
    }
    EXPECT_TRUE(one.receive(buffer_, 20s).has_value());
    const auto now = one.statistics();
    ASSERT_EQ(now.receive_areas.size(), 1U);
    EXPECT_EQ(now.receive_areas[0].volume, b_.path());
    EXPECT_EQ(now.receive_areas[0].nodes, std::vector<std::uint32_t>{3});
    EXPECT_EQ(now.receive_areas[0].state, ring_state::running);
    EXPECT_EQ(now.receive_areas[0].volume_uuid, format::to_string(b_.content().cluster));
    EXPECT_GT(now.receive_areas[0].read_latency_p50.count(), 0);
    EXPECT_EQ(now.ring_error, "");
    EXPECT_GT(three.statistics().peers.at(0).lag_p50.count(), 0);
}

TEST_P(node_sites_test, refuse_a_copy_of_their_own_send_volume) {
    const test::volume_file copy(superblock_of(1));
    node one(a_.path(), options(1, {2, 3}, {{copy.path(), {3}}}));
    one.start();
    ASSERT_TRUE(eventually([&] { return area_of(one).state == ring_state::refused; }));
    ASSERT_TRUE(eventually([&] { return one.statistics().state == ring_state::running; }));
    EXPECT_NE(area_of(one).error.find(copy.path() + ": This is our own send volume"),
              std::string::npos);
    EXPECT_EQ(one.statistics().ring_error, area_of(one).error);
    EXPECT_EQ(one.statistics().peers.at(1).state, peer_state::unknown);
}

TEST_P(node_sites_test, refuse_a_copy_of_other_measures_or_of_another_cluster) {
    for (const auto& content :
         {superblock_of(2, "test", 512 * 1024), superblock_of(2, "another")}) {
        const test::volume_file copy(content);
        node one(a_.path(), options(1, {2, 3}, {{copy.path(), {3}}}));
        one.start();
        EXPECT_TRUE(eventually([&] { return area_of(one).state == ring_state::refused; }));
        EXPECT_NE(area_of(one).error, "");
        EXPECT_TRUE(eventually([&] { return one.statistics().state == ring_state::running; }));
    }
}

TEST_P(node_sites_test, go_on_without_a_copy_and_take_it_when_it_comes) {
    const std::string path = b_.path() + "-link";
    node one(a_.path(), options(1, {2, 3}, {{path, {3}}}));
    node two(a_.path(), options(2, {1}, {}));
    node three(b_.path(), options(3, {1}, {{a_.path(), {1}}}));
    for (node* each : {&one, &two, &three}) {
        each->start();
    }
    ASSERT_TRUE(eventually([&] { return hears(one, 2) && hears(two, 1); }));
    EXPECT_EQ(area_of(one).state, ring_state::waiting_for_volume);
    EXPECT_NE(area_of(one).error, "");
    ASSERT_EQ(::symlink(b_.path().c_str(), path.c_str()), 0);
    EXPECT_TRUE(eventually([&] { return hears(one, 3) && hears(three, 1); }));
    EXPECT_EQ(area_of(one).state, ring_state::running);
    EXPECT_EQ(area_of(one).error, "");
    one.stop();
    EXPECT_EQ(area_of(one).state, ring_state::stopped);
    ::unlink(path.c_str());
}

TEST_P(node_sites_test, refuse_receive_volumes_that_make_no_sense) {
    const auto refused = [&](std::vector<receive_volume> from) {
        EXPECT_THROW(node(a_.path(), options(1, {2, 3}, std::move(from))), setup_error);
    };
    refused({{a_.path(), {3}}});                    // the send volume itself
    refused({{b_.path(), {2}}, {b_.path(), {3}}});  // one volume twice
    refused({{b_.path(), {3}}, {"/other", {3}}});   // one node twice
    refused({{b_.path(), {4}}});                    // not a peer
    refused({{b_.path(), {}}});                     // nobody
    refused({{"", {3}}});                           // nowhere
    auto late = options(1, {2}, {});
    late.read_deadline = 100us;
    EXPECT_THROW(node(a_.path(), late), setup_error);
}

INSTANTIATE_TEST_SUITE_P(backends, node_sites_test,
                         testing::Values(io_backend::posix, io_backend::uring),
                         [](const auto& chosen) {
                             return chosen.param == io_backend::posix ? "posix" : "uring";
                         });

}  // namespace
}  // namespace diskhb
