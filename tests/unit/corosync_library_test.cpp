// SPDX-License-Identifier: BSD-3-Clause
// The wrappers of Corosync's libraries, as far as they need no Corosync, and what the vote thread
// says about a Corosync that is not as expected. tests/lab/test_vote_thread.py is the other part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "plugin/corosync/cmap.hpp"
#include "plugin/corosync/dispatcher.hpp"
#include "plugin/corosync/quorum.hpp"
#include "plugin/corosync/votequorum.hpp"
#include "plugin/quorum/vote_thread.hpp"

namespace diskhb {
namespace {

using corosync::error_code;
using corosync::to_error;
using testing::HasSubstr;

TEST(cs_error, ok_is_no_error) {
    EXPECT_FALSE(to_error(CS_OK));
    EXPECT_EQ(to_error(CS_OK), error_code{});
}

TEST(cs_error, says_what_happened_with_corosyncs_name_for_it) {
    const error_code error = to_error(CS_ERR_MESSAGE_ERROR);
    EXPECT_EQ(error.message(),
              "Corosync refuses the message: it is for a former ring (CS_ERR_MESSAGE_ERROR)");
    EXPECT_STREQ(error.category().name(), "corosync");
}

TEST(cs_error, has_a_sentence_for_every_value) {
    for (int value = 2; value <= 100; ++value) {
        const std::string text = corosync::cs_category().message(value);
        EXPECT_GT(text.size(), 20u) << value;
        EXPECT_EQ(text.find('\n'), std::string::npos);
    }
}

TEST(cs_error, is_of_a_category_of_its_own) {
    EXPECT_NE(to_error(CS_ERR_LIBRARY),
              error_code(static_cast<int>(CS_ERR_LIBRARY), boost::system::system_category()));
}

// A library's descriptor, and its owner.
class dispatcher_test : public testing::Test {
  protected:
    ~dispatcher_test() override { ::close(descriptor_); }
    void signal() {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(descriptor_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    }
    void drain() {
        std::uint64_t count = 0;
        ASSERT_EQ(::read(descriptor_, &count, sizeof count), static_cast<ssize_t>(sizeof count));
    }

    int descriptor_ = ::eventfd(0, EFD_CLOEXEC);
    boost::asio::io_context context_;
    int dispatched_ = 0;
    int lost_ = 0;
};

TEST_F(dispatcher_test, dispatches_each_time_the_descriptor_is_readable) {
    corosync::dispatcher dispatcher(context_);
    dispatcher.watch(
        descriptor_,
        [this] {
            drain();
            ++dispatched_;
            return to_error(dispatched_ == 1 ? CS_ERR_TRY_AGAIN : CS_OK);
        },
        [this](const error_code&) { ++lost_; });
    context_.poll();
    EXPECT_EQ(dispatched_, 0);
    signal();
    context_.run_one();
    signal();
    context_.run_one();
    EXPECT_EQ(dispatched_, 2);
    EXPECT_EQ(lost_, 0);
}

TEST_F(dispatcher_test, tells_a_loss_once) {
    corosync::dispatcher dispatcher(context_);
    dispatcher.watch(
        descriptor_, [] { return to_error(CS_ERR_LIBRARY); },
        [this](const error_code& error) {
            ++lost_;
            EXPECT_EQ(error, to_error(CS_ERR_LIBRARY));
        });
    signal();
    context_.run();
    EXPECT_EQ(lost_, 1);
}

TEST_F(dispatcher_test, leaves_the_descriptor_open) {
    {
        corosync::dispatcher dispatcher(context_);
        dispatcher.watch(
            descriptor_, [] { return error_code{}; }, [](const error_code&) {});
    }
    context_.run();
    signal();
    drain();
}

TEST_F(dispatcher_test, may_be_gone_before_its_handlers_run) {
    auto dispatcher = std::make_unique<corosync::dispatcher>(context_);
    dispatcher->watch(
        descriptor_,
        [this] {
            ++dispatched_;
            return error_code{};
        },
        [](const error_code&) {});
    signal();
    dispatcher.reset();
    context_.run();
    EXPECT_EQ(dispatched_, 0);
}

TEST_F(dispatcher_test, may_be_ended_by_what_it_calls) {
    auto dispatcher = std::make_unique<corosync::dispatcher>(context_);
    dispatcher->watch(
        descriptor_,
        [&dispatcher] {
            dispatcher.reset();
            return to_error(CS_ERR_LIBRARY);
        },
        [this](const error_code&) { ++lost_; });
    signal();
    context_.run();
    EXPECT_EQ(lost_, 0);
}

TEST(corosync_wrappers, refuse_every_call_without_a_connection) {
    boost::asio::io_context context;
    const error_code expected = to_error(CS_ERR_BAD_HANDLE);
    corosync::votequorum votes(context, {});
    EXPECT_EQ(votes.track(), expected);
    EXPECT_EQ(votes.info().error(), expected);
    EXPECT_EQ(votes.register_device("disk"), expected);
    EXPECT_EQ(votes.poll_device("disk", true, {1, 4}), expected);
    EXPECT_EQ(votes.unregister_device("disk"), expected);
    corosync::cmap map(context, {});
    EXPECT_EQ(map.text("totem.version").error(), expected);
    EXPECT_EQ(map.number("totem.version").error(), expected);
    EXPECT_EQ(map.track("totem."), expected);
    corosync::quorum quorum(context, {});
    EXPECT_EQ(quorum.track(), expected);
}

class difference_test : public testing::Test {
  protected:
    const quorum::device_settings expected_{"disk", 3, quorum::milliseconds(10000),
                                            quorum::milliseconds(30000)};
    quorum::device_settings in_force_ = expected_;
};

TEST_F(difference_test, is_nothing_between_equal_settings) {
    EXPECT_EQ(difference(in_force_, expected_), "");
}

TEST_F(difference_test, names_the_key_and_both_values) {
    in_force_.timeout = quorum::milliseconds(5000);
    EXPECT_EQ(difference(in_force_, expected_),
              "quorum.device.timeout is 5000 in force, but 10000 is expected");
    in_force_ = expected_;
    in_force_.sync_timeout = quorum::milliseconds(1);
    EXPECT_THAT(difference(in_force_, expected_), HasSubstr("sync_timeout is 1 in"));
    in_force_ = expected_;
    in_force_.votes = 1;
    EXPECT_THAT(difference(in_force_, expected_), HasSubstr("votes is 1 in force, but 3 is"));
    in_force_ = expected_;
    in_force_.model = "net";
    EXPECT_THAT(difference(in_force_, expected_), HasSubstr("model is net"));
}

TEST_F(difference_test, says_when_there_is_no_device_at_all) {
    in_force_ = {};
    EXPECT_EQ(difference(in_force_, expected_), "no quorum device is in force");
}

}  // namespace
}  // namespace diskhb
