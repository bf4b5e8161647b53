// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_policy.hpp"

#include <gtest/gtest.h>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using action = route_policy::action;

class route_policy_test : public testing::Test {
  protected:
    // Some probes with the same fate, the carriers being those; what came of the last one.
    std::optional<action> probes(unsigned count, bool answered) {
        std::optional<action> last;
        for (unsigned number = 0; number < count; ++number) {
            last = policy_.step({answered, usable_}, now_ += 500ms);
        }
        return last;
    }
    std::optional<action> look() { return policy_.step({std::nullopt, usable_}, now_ += 50ms); }

    route_policy policy_{{3, 5, {2, 3}}};
    std::vector<std::uint32_t> usable_{3, 2};
    std::chrono::nanoseconds now_ = 1000s;
};

TEST_F(route_policy_test, goes_by_the_gateway_until_so_many_probes_fail) {
    EXPECT_EQ(probes(20, true), std::nullopt);
    EXPECT_EQ(probes(2, false), std::nullopt);
    EXPECT_EQ(policy_.current().carrier, 0U);
    EXPECT_EQ(probes(1, false), (action{2, false}));
    EXPECT_EQ(policy_.since(), now_);
}

TEST_F(route_policy_test, is_not_moved_by_single_losses) {
    for (int round = 0; round < 10; ++round) {
        EXPECT_EQ(probes(2, false), std::nullopt);
        EXPECT_EQ(probes(1, true), std::nullopt);
    }
}

TEST_F(route_policy_test, returns_after_so_many_answers_in_a_row) {
    probes(3, false);
    EXPECT_EQ(probes(4, true), std::nullopt);
    EXPECT_EQ(probes(1, false), std::nullopt);
    EXPECT_EQ(probes(4, true), std::nullopt);
    EXPECT_EQ(policy_.current().carrier, 2U);
    EXPECT_EQ(probes(1, true), (action{0, true}));
    EXPECT_EQ(policy_.changes(), 2U);
}

TEST_F(route_policy_test, takes_the_first_carrier_in_the_order_of_the_configuration) {
    usable_ = {3};
    EXPECT_EQ(probes(3, false), (action{3, false}));
}

TEST_F(route_policy_test, stays_with_its_carrier_when_a_better_one_comes) {
    usable_ = {3};
    probes(3, false);
    usable_ = {2, 3};
    EXPECT_EQ(look(), std::nullopt);
    usable_ = {2};
    EXPECT_EQ(look(), (action{2, false}));
}

TEST_F(route_policy_test, says_when_nobody_is_left_and_when_somebody_comes) {
    usable_ = {};
    EXPECT_EQ(probes(3, false), (action{0, false}));
    EXPECT_EQ(policy_.changes(), 0U);  // still by the gateway
    EXPECT_EQ(probes(10, false), std::nullopt);
    usable_ = {3};
    EXPECT_EQ(look(), (action{3, false}));
    usable_ = {};
    EXPECT_EQ(look(), (action{0, false}));
    EXPECT_EQ(probes(5, true), (action{0, true}));
}

TEST_F(route_policy_test, takes_no_node_that_is_not_its_carrier) {
    usable_ = {7};
    EXPECT_EQ(probes(3, false), (action{0, false}));
}

TEST(route_word, holds_until_taken_back_or_too_old) {
    route_word word;
    EXPECT_FALSE(word.holds(5s));
    word.say(true, 5s, 3s);
    EXPECT_TRUE(word.holds(5s));
    EXPECT_TRUE(word.holds(7999ms));
    EXPECT_FALSE(word.holds(8s));
    word.say(true, 8s, 3s);
    word.say(false, 9s, 3s);
    EXPECT_FALSE(word.holds(9s));
}

}  // namespace
}  // namespace diskhb::daemon
