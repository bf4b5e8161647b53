// SPDX-License-Identifier: BSD-3-Clause
// Messages by UDP between three nodes, which have an address of the loopback interface each.
#include "plugin/ring/copy_network.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/udp.hpp>
#include <vector>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::udp;

class copy_network_test : public testing::Test {
  protected:
    copy_network_test() {
        const auto port = free_port();
        for (std::uint32_t id = 1; id <= 3; ++id) {
            configs_[id - 1].corosync_conf_path = "/etc/corosync/corosync.conf";
            configs_[id - 1].node_id = id;
            configs_[id - 1].request_port = port;
            for (std::uint32_t each = 1; each <= 3; ++each) {
                configs_[id - 1].network.push_back(
                    {each, *corosync::parse_ip_address("127.0.0." + std::to_string(each))});
            }
        }
    }
    static std::uint16_t free_port() {
        boost::asio::io_context loop;
        return udp::socket(loop, udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0))
            .local_endpoint()
            .port();
    }
    copy_network& network(std::uint32_t id) {
        auto& made = networks_[id - 1];
        if (!made) {
            made = std::make_unique<copy_network>(
                loop_, configs_[id - 1],
                [this](const copy_message& message) { came_.push_back(message); });
            EXPECT_EQ(made->open(), "");
        }
        return *made;
    }
    static copy_message message_from(std::uint32_t id, std::uint64_t token) {
        copy_message message;
        message.cluster_name = "tide";
        message.from = id;
        message.to = 1;
        message.link = 1;
        message.token = token;
        return message;
    }

    boost::asio::io_context loop_;
    std::array<daemon_config, 3> configs_;
    std::array<std::unique_ptr<copy_network>, 3> networks_;
    std::vector<copy_message> came_;
};

TEST_F(copy_network_test, takes_messages_only_from_the_address_of_the_node_that_they_name) {
    network(1);
    network(3).send(1, encode(message_from(2, 5)));  // node 3 says that it is node 2
    network(3).send(1, "{}");
    network(2).send(1, encode(message_from(2, 6)));
    while (came_.empty() && loop_.run_one_for(5s) > 0) {
    }
    ASSERT_EQ(came_.size(), 1U);
    EXPECT_EQ(came_.front(), message_from(2, 6));
}

TEST_F(copy_network_test, says_why_it_takes_no_messages) {
    network(1);
    copy_network second(loop_, configs_[0], [](const copy_message&) { FAIL(); });
    EXPECT_NE(second.open().find("of 127.0.0.1: "), std::string::npos);
    configs_[1].network.erase(configs_[1].network.begin() + 1);
    copy_network nowhere(loop_, configs_[1], [](const copy_message&) { FAIL(); });
    EXPECT_EQ(nowhere.open(), "/etc/corosync/corosync.conf has no ring0_addr of this node");
    nowhere.send(1, "lost");
}

TEST_F(copy_network_test, takes_none_without_a_port) {
    configs_[0].request_port = 0;
    copy_network closed(loop_, configs_[0], [](const copy_message&) { FAIL(); });
    EXPECT_EQ(closed.open(), "");
    closed.send(2, "lost");
}

}  // namespace
}  // namespace diskhb::daemon
