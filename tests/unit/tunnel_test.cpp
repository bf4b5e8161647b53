// SPDX-License-Identifier: BSD-3-Clause
// The tunnel between a pair of sockets in place of a TUN: they too give one packet a read.
#include "plugin/ring/tunnel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using bytes = std::vector<std::byte>;

ip_address address(const char* text) { return *corosync::parse_ip_address(text); }

bytes packet(const char* source, const char* destination, std::uint8_t protocol = 1) {
    bytes made(28);
    made[0] = std::byte{0x45};
    made[3] = std::byte{28};
    made[9] = static_cast<std::byte>(protocol);
    std::memcpy(made.data() + 12, address(source).bytes.data(), 4);
    std::memcpy(made.data() + 16, address(destination).bytes.data(), 4);
    return made;
}

class tunnel_test : public testing::Test {
  protected:
    tunnel_test() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
        host_ = owned_fd(ends[0]);
        tun_ = owned_fd(ends[1]);
        tunnel_ = std::make_unique<tunnel>(
            "dhb0", tun_.get(), address_table(address("10.9.1.1"), {{address("10.9.1.2"), 2}}),
            knet_traits{5406, false});
    }

    void start() {
        tunnel_->start([this](std::uint32_t to, packet_type, std::span<const std::byte>) {
            const std::lock_guard guard(lock_);
            submitted_.push_back(to);
            changed_.notify_all();
            return answer_;
        });
    }
    void send(const bytes& content) {
        ASSERT_EQ(write(host_.get(), content.data(), content.size()),
                  static_cast<ssize_t>(content.size()));
    }
    bool wait_for_submitted(std::size_t count) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, 10s, [&] { return submitted_.size() >= count; });
    }
    // Waits for the sum, since counters follow a little after what they count.
    bool wait_for_counter(tunnel_counter which, std::uint64_t value) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (count(which) < value) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::yield();
        }
        return count(which) == value;
    }
    std::uint64_t count(tunnel_counter which) const {
        return tunnel_->statistics()[static_cast<std::size_t>(which)];
    }

    owned_fd host_;
    owned_fd tun_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::vector<std::uint32_t> submitted_;
    boost::system::error_code answer_;
    std::unique_ptr<tunnel> tunnel_;
};

TEST_F(tunnel_test, submits_packets_to_the_node_of_their_destination) {
    start();
    send(packet("10.9.1.1", "10.9.1.2"));
    ASSERT_TRUE(wait_for_submitted(1));
    EXPECT_EQ(submitted_.front(), 2U);
    EXPECT_TRUE(wait_for_counter(tunnel_counter::packets_control, 1));
    EXPECT_EQ(count(tunnel_counter::packets_read), 1U);
    EXPECT_EQ(count(tunnel_counter::bytes_read), 28U);
}

TEST_F(tunnel_test, counts_everything_undeliverable_by_kind) {
    start();
    send(packet("10.9.1.1", "224.0.0.1"));
    send(packet("10.9.1.1", "10.9.1.9"));
    send(packet("192.0.2.1", "10.9.1.2"));
    send(bytes(7));
    EXPECT_TRUE(wait_for_counter(tunnel_counter::dropped_multicast, 1));
    EXPECT_TRUE(wait_for_counter(tunnel_counter::dropped_unknown_destination, 1));
    EXPECT_TRUE(wait_for_counter(tunnel_counter::dropped_foreign_source, 1));
    EXPECT_TRUE(wait_for_counter(tunnel_counter::dropped_malformed, 1));
    EXPECT_TRUE(submitted_.empty());
}

TEST_F(tunnel_test, goes_on_reading_while_the_engine_takes_nothing) {
    answer_ = errc::full;
    start();
    constexpr std::uint64_t many = 2000;
    for (std::uint64_t sent = 0; sent < many;) {
        const auto content = packet("10.9.1.1", "10.9.1.2", 17);
        if (write(host_.get(), content.data(), content.size()) > 0) {
            ++sent;
        } else {
            ASSERT_EQ(errno, EAGAIN);
            pollfd room{host_.get(), POLLOUT, 0};
            ASSERT_GT(poll(&room, 1, 10000), 0);
        }
    }
    EXPECT_TRUE(wait_for_counter(tunnel_counter::dropped_by_engine, many));
}

TEST_F(tunnel_test, writes_packets_of_peers_and_refuses_what_is_not_theirs) {
    const auto good = packet("10.9.1.2", "10.9.1.1");
    tunnel_->deliver(2, good);
    tunnel_->deliver(2, packet("10.9.1.1", "10.9.1.1"));
    tunnel_->deliver(2, packet("10.9.1.2", "192.0.2.1"));
    tunnel_->deliver(9, good);
    tunnel_->deliver(2, bytes(3));
    bytes got(100);
    ASSERT_EQ(read(host_.get(), got.data(), got.size()), 28);
    got.resize(28);
    EXPECT_EQ(got, good);
    EXPECT_LT(read(host_.get(), got.data(), got.size()), 0);
    EXPECT_EQ(count(tunnel_counter::packets_written), 1U);
    EXPECT_EQ(count(tunnel_counter::refused_foreign_source), 1U);
    EXPECT_EQ(count(tunnel_counter::refused_foreign_destination), 1U);
    EXPECT_EQ(count(tunnel_counter::refused_unknown_node), 1U);
    EXPECT_EQ(count(tunnel_counter::refused_malformed), 1U);
}

TEST_F(tunnel_test, counts_packets_that_the_host_does_not_take) {
    const auto good = packet("10.9.1.2", "10.9.1.1");
    for (int sent = 0; sent < 100000 && count(tunnel_counter::write_errors) == 0; ++sent) {
        tunnel_->deliver(2, good);
    }
    EXPECT_EQ(count(tunnel_counter::write_errors), 1U);
}

TEST_F(tunnel_test, carries_on_with_the_interface_that_takes_the_place_of_a_broken_one) {
    start();
    int ends[2] = {-1, -1};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
    // A directory fails every read, as a TUN does that was deleted.
    const owned_fd broken(open("/", O_RDONLY | O_DIRECTORY));
    ASSERT_GE(dup2(broken.get(), tun_.get()), 0);
    ASSERT_TRUE(wait_for_counter(tunnel_counter::read_errors, 1) ||
                count(tunnel_counter::read_errors) > 1);
    ASSERT_GE(dup2(ends[1], tun_.get()), 0);
    host_ = owned_fd(ends[0]);
    send(packet("10.9.1.1", "10.9.1.2"));
    EXPECT_TRUE(wait_for_submitted(1));
    close(ends[1]);
}

TEST_F(tunnel_test, stops_at_once_and_more_than_once) {
    start();
    const auto before = std::chrono::steady_clock::now();
    tunnel_->stop();
    tunnel_->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 500ms);
}

TEST(tunnel_counter, has_a_name_each) {
    EXPECT_STREQ(tunnel_counter_name(tunnel_counter::packets_read), "packets_read");
    EXPECT_STREQ(tunnel_counter_name(tunnel_counter::write_errors), "write_errors");
}

}  // namespace
}  // namespace diskhb::daemon
