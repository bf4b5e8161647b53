// SPDX-License-Identifier: BSD-3-Clause
// Requests of other nodes to copy: understood, or dropped whatever they are.
#include "plugin/ring/copy_message.hpp"

#include <gtest/gtest.h>

#include "io/sim_random.hpp"

namespace diskhb::daemon {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

copy_message request() {
    copy_message message;
    message.cluster_name = "tide";
    message.from = 3;
    message.to = 1;
    message.link = 1;
    message.token = 0xfedcba9876543210;
    return message;
}

TEST(copy_message, comes_out_as_it_went_in) {
    EXPECT_EQ(parse_copy_message(bytes_of(encode(request()))), request());
    auto reply = request();
    reply.is_reply = true;
    reply.error = "no such ring";
    EXPECT_EQ(parse_copy_message(bytes_of(encode(reply))), reply);
}

TEST(copy_message, fits_its_limit_whatever_the_error) {
    auto reply = request();
    reply.is_reply = true;
    reply.error.assign(100000, 'x');
    EXPECT_LE(encode(reply).size(), copy_message_bytes_max);
}

TEST(copy_message, is_no_ip_packet) {
    const std::byte ipv4{0x45};
    const std::byte ipv6{0x60};
    EXPECT_FALSE(may_be_copy_message(std::span(&ipv4, 1)));
    EXPECT_FALSE(may_be_copy_message(std::span(&ipv6, 1)));
    EXPECT_FALSE(may_be_copy_message({}));
    EXPECT_TRUE(may_be_copy_message(bytes_of(encode(request()))));
}

TEST(copy_message, is_dropped_when_a_member_is_missing_or_out_of_range) {
    const auto broken = [](const std::string& what, const std::string& with) {
        auto text = encode(request());
        const auto at = text.find(what);
        EXPECT_NE(at, std::string::npos) << what;
        return !parse_copy_message(bytes_of(text.replace(at, what.size(), with)));
    };
    EXPECT_TRUE(broken("copy_request", "quit"));
    EXPECT_TRUE(broken("\"cluster\":\"tide\"", "\"cluster\":5"));
    EXPECT_TRUE(broken("\"from\":3", "\"from\":0"));
    EXPECT_TRUE(broken("\"to\":1", "\"to\":-1"));
    EXPECT_TRUE(broken("\"link\":1", "\"link\":8"));
    EXPECT_TRUE(broken("\"token\"", "\"tocken\""));
    EXPECT_TRUE(broken("{", "{{"));
}

TEST(copy_message, survives_any_bytes) {
    io::sim_random random(7);
    for (int round = 0; round < 20000; ++round) {
        auto text = encode(request());
        for (std::uint64_t flips = random.between(1, 4); flips > 0; --flips) {
            text[random.below(text.size())] ^= static_cast<char>(1U << random.below(8));
        }
        text.resize(random.between(0, text.size()));
        (void)parse_copy_message(bytes_of(text));
    }
}

TEST(copy_request_gate, lets_one_request_a_node_and_link_pass_in_a_second) {
    using verdict = copy_request_gate::verdict;
    copy_request_gate gate;
    constexpr std::uint64_t s = 1'000'000'000;
    auto message = request();
    const auto act = [&](std::uint64_t now_ns) {
        const bool passes = gate.judge(message, now_ns) == verdict::act;
        if (passes) {
            gate.on_done(message.from, message.link, {});
        }
        return passes;
    };
    EXPECT_TRUE(act(10 * s));
    EXPECT_FALSE(act(15 * s)) << "the same request over another way";
    message.token = 2;
    EXPECT_TRUE(act(16 * s));
    message.token = 3;
    EXPECT_EQ(gate.judge(message, 16 * s + s / 2), verdict::ignore);
    message.link = 2;
    EXPECT_TRUE(act(16 * s + s / 2));
    message.from = 4;
    EXPECT_TRUE(act(16 * s + s / 2));
    message = request();
    message.token = 3;
    EXPECT_TRUE(act(17 * s)) << "who was not answered asks again";
}

TEST(copy_request_gate, gives_a_repeated_request_the_answer_of_the_first) {
    using verdict = copy_request_gate::verdict;
    copy_request_gate gate;
    auto message = request();
    EXPECT_EQ(gate.judge(message, 1000), verdict::act);
    EXPECT_EQ(gate.judge(message, 1001), verdict::ignore) << "nothing is known yet";
    gate.on_done(message.from, message.link, "no path to array 7");
    EXPECT_EQ(gate.judge(message, 1002), verdict::answer_again);
    EXPECT_EQ(gate.error_of(message), "no path to array 7");
}

TEST(copy_request_gate, acts_on_no_further_request_while_one_is_under_way) {
    using verdict = copy_request_gate::verdict;
    copy_request_gate gate;
    auto message = request();
    EXPECT_EQ(gate.judge(message, 1000), verdict::act);
    message.token = 2;
    constexpr std::uint64_t later_ns = 5 * copy_request_gate::interval_ns;
    EXPECT_EQ(gate.judge(message, later_ns), verdict::ignore);
    gate.on_done(message.from, message.link, {});
    EXPECT_EQ(gate.judge(message, later_ns), verdict::act);
}

}  // namespace
}  // namespace diskhb::daemon
