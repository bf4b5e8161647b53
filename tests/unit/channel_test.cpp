// SPDX-License-Identifier: BSD-3-Clause
// Channels on real sockets, over loopback, with the threads that they have.
#include "diskhb/channel.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

namespace diskhb {
namespace {

using namespace std::chrono_literals;

// A port that nobody else has; tests run side by side.
std::unique_ptr<channel_host> host_of(std::uint32_t node, std::uint16_t& port) {
    channel_host_options options;
    options.cluster_name = "unit";
    options.node_id = node;
    options.network_address = "127.77.0." + std::to_string(node);
    options.volume_address = "127.77.1." + std::to_string(node);
    for (int i = 0; i < 50; ++i) {
        options.port = port;
        try {
            return std::make_unique<channel_host>(options);
        } catch (const setup_error& error) {
            EXPECT_EQ(error.exit_code(), exit_in_use) << error.what();
            port = static_cast<std::uint16_t>(port + 101);
        }
    }
    throw std::runtime_error("no port is free");
}

channel_options to_node(std::uint32_t peer, std::uint16_t port) {
    channel_options options;
    options.name = options.peer_name = "end";
    options.peer = {peer, "127.77.0." + std::to_string(peer), "127.77.1." + std::to_string(peer),
                    port};
    options.heartbeat = 100ms;
    options.window_bytes = 2 << 20;
    return options;
}

struct two_hosts {
    std::uint16_t port = static_cast<std::uint16_t>(20'000 + getpid() % 10'000);
    std::unique_ptr<channel_host> first = host_of(1, port);
    std::unique_ptr<channel_host> second = host_of(2, port);
};

std::vector<std::byte> message_of(std::uint32_t thread, std::uint32_t number) {
    std::vector<std::byte> message(8 + (number * 7919 + thread) % (number % 10 == 0 ? 90'000 : 900),
                                   static_cast<std::byte>(number + thread));
    std::memcpy(message.data(), &thread, sizeof thread);
    std::memcpy(message.data() + 4, &number, sizeof number);
    return message;
}

constexpr std::uint32_t sending_threads = 2;
constexpr std::uint32_t messages_each = 400;

void send_all(channel& to, std::uint32_t thread) {
    for (std::uint32_t number = 0; number < messages_each; ++number) {
        ASSERT_FALSE(to.send(message_of(thread, number), 20s)) << number;
    }
}

void receive_all(channel& from) {
    std::vector<std::byte> buffer(max_message_bytes);
    std::uint32_t next[sending_threads] = {};
    for (std::uint32_t i = 0; i < sending_threads * messages_each; ++i) {
        const auto size = from.receive(buffer, 20s);
        ASSERT_TRUE(size) << size.error().message() << " after " << i;
        std::uint32_t thread = 0;
        std::memcpy(&thread, buffer.data(), sizeof thread);
        ASSERT_LT(thread, sending_threads);
        const auto expected = message_of(thread, next[thread]++);
        ASSERT_EQ(*size, expected.size());
        ASSERT_EQ(std::memcmp(buffer.data(), expected.data(), expected.size()), 0);
    }
}

TEST(channel, keeps_the_order_of_every_thread_in_both_directions) {
    two_hosts hosts;
    channel one(*hosts.first, to_node(2, hosts.port));
    channel two(*hosts.second, to_node(1, hosts.port));
    std::vector<std::thread> threads;
    for (channel* const each : {&one, &two}) {
        threads.emplace_back([each] { receive_all(*each); });
        for (std::uint32_t i = 0; i < sending_threads; ++i) {
            threads.emplace_back([each, i] { send_all(*each, i); });
        }
    }
    for (auto& each : threads) {
        each.join();
    }
    EXPECT_FALSE(one.flush(20s));
    EXPECT_FALSE(two.flush(20s));
    EXPECT_EQ(one.statistics().messages_delivered, sending_threads * messages_each);
    EXPECT_EQ(one.statistics().malformed + two.statistics().malformed, 0U);
    EXPECT_EQ(one.path(), channel_path::network);
}

TEST(channel, shuts_the_window_and_says_when_there_is_room) {
    two_hosts hosts;
    std::atomic<int> rooms{0};
    auto options = to_node(2, hosts.port);
    options.on_room = [&] { ++rooms; };
    channel one(*hosts.first, options);
    channel two(*hosts.second, to_node(1, hosts.port));
    const std::vector<std::byte> message(500'000, std::byte{7});
    int accepted = 0;
    while (!one.send(message)) {
        ++accepted;
    }
    EXPECT_EQ(accepted, 4);
    EXPECT_EQ(one.send(message, 50ms), errc::window_shut);
    EXPECT_EQ(one.flush(50ms), errc::timed_out);
    EXPECT_EQ(rooms, 0);
    std::vector<std::byte> buffer(message.size());
    EXPECT_EQ(two.receive(std::span(buffer).first(10), 20s).error(), errc::too_long);
    for (int i = 0; i < accepted; ++i) {
        EXPECT_EQ(two.receive(buffer, 20s).value(), message.size());
    }
    EXPECT_FALSE(one.flush(20s));
    EXPECT_FALSE(one.send(message, 20s));
    EXPECT_EQ(rooms, 1);
}

TEST(channel, tells_that_the_other_process_is_a_new_one) {
    two_hosts hosts;
    std::promise<std::uint64_t> restarted;
    auto options = to_node(2, hosts.port);
    options.on_peer_restart = [&](std::uint64_t given_up) { restarted.set_value(given_up); };
    channel one(*hosts.first, options);
    auto two = std::make_unique<channel>(*hosts.second, to_node(1, hosts.port));
    const std::vector<std::byte> message(100, std::byte{7});
    std::vector<std::byte> buffer(message.size());
    EXPECT_FALSE(one.send(message, 20s));
    EXPECT_TRUE(two->receive(buffer, 20s));
    EXPECT_FALSE(one.flush(20s));
    EXPECT_FALSE(one.send(message, 20s));  // which the former one never takes
    two.reset();
    two = std::make_unique<channel>(*hosts.second, to_node(1, hosts.port));
    EXPECT_EQ(restarted.get_future().get(), 1U);
    EXPECT_FALSE(one.send(message, 20s));
    EXPECT_TRUE(two->receive(buffer, 20s));
    EXPECT_FALSE(one.flush(20s));
    EXPECT_EQ(one.statistics().peer_restarts, 1U);
}

// One end goes while threads of the other write: its sockets must not be closed under them.
TEST(channel, lets_an_end_go_while_the_other_one_writes) {
    two_hosts hosts;
    channel one(*hosts.first, to_node(2, hosts.port));
    std::atomic<bool> is_over{false};
    std::thread writer([&] {
        const std::vector<std::byte> message(60'000, std::byte{7});
        while (!is_over) {
            static_cast<void>(one.send(message, 5ms));
        }
    });
    for (int i = 0; i < 5; ++i) {
        std::atomic<int> came{0};
        auto options = to_node(1, hosts.port);
        options.on_message = [&](std::span<const std::byte>) { ++came; };
        channel two(*hosts.second, options);
        while (came < 50) {
            std::this_thread::yield();
        }
    }
    is_over = true;
    writer.join();
    EXPECT_EQ(one.statistics().malformed, 0U);
}

}  // namespace
}  // namespace diskhb
