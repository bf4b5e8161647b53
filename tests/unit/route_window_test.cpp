// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_window.hpp"

#include <gtest/gtest.h>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;

class route_window_test : public testing::Test {
  protected:
    bool send(std::uint32_t node_id = 2) {
        const bool may = window_.may_send(node_id, now_, [this](std::uint32_t) {
            ++looks_;
            return unread_;
        });
        if (may) {
            window_.on_sent();
        }
        return may;
    }
    route_window window_;
    std::chrono::nanoseconds now_ = 100s;
    std::uint64_t unread_ = 0;
    int looks_ = 0;
};

TEST_F(route_window_test, lets_pass_what_a_node_may_leave_unread) {
    for (std::uint64_t number = 0; number < route_window::unread_most; ++number) {
        ASSERT_TRUE(send());
    }
    EXPECT_FALSE(send());
    EXPECT_EQ(looks_, 1);
}

TEST_F(route_window_test, opens_again_when_the_node_has_read) {
    unread_ = route_window::unread_most;
    EXPECT_FALSE(send());
    unread_ = 0;
    EXPECT_FALSE(send());  // not looked yet
    now_ += route_window::look_interval;
    EXPECT_TRUE(send());
}

TEST_F(route_window_test, looks_anew_for_another_node) {
    unread_ = route_window::unread_most;
    EXPECT_FALSE(send(2));
    unread_ = 0;
    EXPECT_TRUE(send(3));
    EXPECT_EQ(looks_, 2);
}

}  // namespace
}  // namespace diskhb::daemon
