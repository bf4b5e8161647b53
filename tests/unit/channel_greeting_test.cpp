// SPDX-License-Identifier: BSD-3-Clause
// The hello of a stranger, who may send anything, or nothing.
#include "channel/greeting.hpp"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <vector>

namespace diskhb::channels {
namespace {

using namespace std::chrono_literals;

hello some_hello() {
    hello said;
    said.cluster_name = "unit";
    said.from = {2, "there"};
    said.to = {1, "here"};
    said.life = 7;
    said.window_bytes = 2 << 20;
    said.heartbeat_us = 100'000;
    return said;
}

// A greeting of whoever has the other end.
class channel_greeting : public testing::Test {
  protected:
    void SetUp() override {
        tcp::acceptor acceptor(loop_, {boost::asio::ip::address_v4::loopback(), 0});
        theirs_.connect(acceptor.local_endpoint());
        greeting_ = std::make_shared<greeting>(
            acceptor.accept(), [this](tcp::socket greeted, const result<hello>& said) {
                EXPECT_FALSE(outcome_) << "told twice";
                outcome_ = said;
                greeted_ = std::move(greeted);
            });
    }
    // Until it has told its outcome, and beyond.
    void run(std::chrono::nanoseconds patience = 20s) {
        std::exchange(greeting_, nullptr)->start(patience);
        loop_.run();
        ASSERT_TRUE(outcome_);
    }
    void say(std::span<const std::byte> bytes) {
        EXPECT_EQ(theirs_.send(boost::asio::buffer(bytes.data(), bytes.size())), bytes.size());
    }
    // One byte in each turn of the loop.
    void say_slowly(std::vector<std::byte> bytes) {
        if (!bytes.empty()) {
            say(std::span(bytes).first(1));
            bytes.erase(bytes.begin());
            boost::asio::post(loop_, [this, bytes] { say_slowly(bytes); });
        }
    }

    boost::asio::io_context loop_;
    tcp::socket theirs_{loop_};
    tcp::socket greeted_{loop_};
    std::shared_ptr<greeting> greeting_;
    std::optional<result<hello>> outcome_;
};

TEST_F(channel_greeting, reads_a_hello_and_nothing_behind_it) {
    say(encode_hello(some_hello()));
    say(std::vector(10, std::byte{5}));
    run();
    EXPECT_EQ(outcome_->value(), some_hello());
    std::array<std::byte, 100> rest{};
    EXPECT_EQ(greeted_.receive(boost::asio::buffer(rest)), 10U);
}

TEST_F(channel_greeting, reads_a_hello_that_comes_byte_by_byte) {
    boost::asio::post(loop_, [this] { say_slowly(encode_hello(some_hello())); });
    run();
    EXPECT_EQ(outcome_->value(), some_hello());
    EXPECT_TRUE(greeted_.is_open());
}

TEST_F(channel_greeting, ends_at_bytes_that_are_no_hello) {
    say(std::as_bytes(std::span("GET / HTTP/1.1\r\n\r\n")));
    run();
    EXPECT_EQ(outcome_->error(), errc::bad_magic);
    EXPECT_FALSE(greeted_.is_open());
}

TEST_F(channel_greeting, ends_when_the_other_side_goes_before_it_has_said_all) {
    const auto all = encode_hello(some_hello());
    say(std::span(all).first(all.size() - 1));
    theirs_.shutdown(tcp::socket::shutdown_send);
    run();
    EXPECT_TRUE(outcome_->has_error());
    EXPECT_FALSE(greeted_.is_open());
}

TEST_F(channel_greeting, ends_when_its_patience_does) {
    const auto all = encode_hello(some_hello());
    say(std::span(all).first(all.size() - 1));
    run(2ms);
    EXPECT_TRUE(outcome_->has_error());
    EXPECT_FALSE(greeted_.is_open());
}

}  // namespace
}  // namespace diskhb::channels
