// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "plugin/ring/datagram_inbox.hpp"

namespace diskhb::daemon {
namespace {

const std::vector<std::byte> bytes(3, std::byte{7});

TEST(datagram_inbox, hands_over_what_another_thread_put_in_order) {
    boost::asio::io_context loop;
    std::vector<std::uint32_t> from;
    datagram_inbox inbox(loop, 8, [&](std::uint32_t node_id, std::span<const std::byte> taken) {
        from.push_back(node_id);
        EXPECT_TRUE(std::equal(taken.begin(), taken.end(), bytes.begin(), bytes.end()));
    });
    std::thread([&] {
        inbox.put(2, bytes);
        inbox.put(3, bytes);
    }).join();
    EXPECT_TRUE(from.empty());
    loop.run();
    EXPECT_EQ(from, (std::vector<std::uint32_t>{2, 3}));
}

TEST(datagram_inbox, drops_what_is_more_than_may_wait_and_takes_again_afterwards) {
    boost::asio::io_context loop;
    int taken = 0;
    datagram_inbox inbox(loop, 2, [&](std::uint32_t, std::span<const std::byte>) { ++taken; });
    for (int sent = 0; sent < 5; ++sent) {
        inbox.put(2, bytes);
    }
    loop.run();
    EXPECT_EQ(taken, 2);
    inbox.put(2, bytes);
    loop.restart();
    loop.run();
    EXPECT_EQ(taken, 3);
}

}  // namespace
}  // namespace diskhb::daemon
