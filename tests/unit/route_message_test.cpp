// SPDX-License-Identifier: BSD-3-Clause
// What daemons say of routes: understood, or dropped whatever it is.
#include "plugin/ring/route_message.hpp"

#include <gtest/gtest.h>

#include "io/sim_random.hpp"
#include "plugin/ring/copy_message.hpp"
#include "plugin/ring/route_config.hpp"

namespace diskhb::daemon {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

route_message message() { return {"tide", 3, 1, {"internet"}, {"office", "lab"}}; }

TEST(route_message, comes_out_as_it_went_in) {
    EXPECT_EQ(parse_route_message(bytes_of(encode(message()))), message());
    EXPECT_EQ(parse_route_message(bytes_of(encode({"tide", 3, 1, {}, {}}))),
              (route_message{"tide", 3, 1, {}, {}}));
}

TEST(route_message, fits_its_limit_with_as_many_routes_as_there_can_be) {
    const std::vector<std::string> names(routes_most, std::string(route_name_bytes_max, 'r'));
    const auto text = encode({std::string(128, 'c'), 65535, 65535, names, names});
    EXPECT_LE(text.size(), route_message_bytes_max);
    EXPECT_TRUE(parse_route_message(bytes_of(text)));
}

TEST(route_message, is_told_from_a_packet_and_from_a_request_to_copy) {
    EXPECT_TRUE(may_be_copy_message(bytes_of(encode(message()))));
    EXPECT_FALSE(parse_copy_message(bytes_of(encode(message()))));
    copy_message other;
    other.cluster_name = "tide";
    other.from = 1;
    other.to = 2;
    EXPECT_FALSE(parse_route_message(bytes_of(encode(other))));
}

TEST(route_message, is_dropped_when_a_member_is_missing_or_of_another_kind) {
    const auto broken = [](const std::string& what, const std::string& with) {
        auto text = encode(message());
        const auto at = text.find(what);
        EXPECT_NE(at, std::string::npos) << what;
        return !parse_route_message(bytes_of(text.replace(at, what.size(), with)));
    };
    EXPECT_TRUE(broken("\"route\"", "\"quit\""));
    EXPECT_TRUE(broken("\"cluster\":\"tide\"", "\"cluster\":5"));
    EXPECT_TRUE(broken("\"from\":3", "\"from\":0"));
    EXPECT_TRUE(broken("\"to\":1", "\"to\":65536"));
    EXPECT_TRUE(broken("\"to\":1", "\"to\":-1"));
    EXPECT_TRUE(broken("[\"internet\"]", "\"internet\""));
    EXPECT_TRUE(broken("[\"internet\"]", "[5]"));
    EXPECT_TRUE(broken("\"carries\"", "\"carry\""));
    EXPECT_TRUE(broken("[\"internet\"]", "[1,2,3,4,5,6,7,8,9]"));
}

TEST(route_message, survives_bytes_that_mean_nothing) {
    io::sim_random random(7);
    const auto good = encode(message());
    for (int round = 0; round < 20000; ++round) {
        auto text = good;
        for (std::uint64_t changes = random.below(6); changes-- > 0;) {
            text[random.below(text.size())] = static_cast<char>(random.below(256));
        }
        text.resize(random.below(text.size() + 1));
        (void)parse_route_message(bytes_of(text));
    }
}

}  // namespace
}  // namespace diskhb::daemon
