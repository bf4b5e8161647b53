// SPDX-License-Identifier: BSD-3-Clause
// Two copy services of one cluster, each node's datagrams handed to the other by the test.
#include "plugin/ring/copy_service.hpp"

#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>

#include <nlohmann/json.hpp>

namespace diskhb::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class two_nodes : public testing::Test {
  protected:
    // Node 1 reads node 2 from a copy, and the other way round.
    struct node {
        daemon_config config;
        std::unique_ptr<copy_service> service;
    };

    two_nodes() : log_("test", std::make_shared<spdlog::sinks::null_sink_st>()) {
        for (std::uint32_t id = 1; id <= 2; ++id) {
            set_up(nodes_[id - 1], id);
        }
    }

    void set_up(node& of, std::uint32_t id) {
        of.config.cluster_name = "tide";
        of.config.node_id = id;
        of.config.copy_socket = "/nowhere/copyd.sock";
        ring_config ring;
        ring.interface = "dhb0";
        ring.link = 1;
        ring.roles.is_shared = false;
        ring.roles.receive_from = {{"/nowhere/volume", {3 - id}}};
        ring.roles.copy.mode = copy_mode::builtin;
        of.config.rings.push_back(ring);
        ring_access access;
        access.config = &of.config.rings.front();
        access.statistics = [] { return diskhb::statistics(); };
        // Each message comes twice: by the ring, and by the network.
        access.send = [this, id](std::uint32_t to, std::span<const std::byte> bytes) {
            nodes_[to - 1].service->on_ring_datagram(id, bytes);
            nodes_[to - 1].service->on_ring_datagram(id, bytes);
        };
        of.service = std::make_unique<copy_service>(loop_, of.config,
                                                    std::vector<ring_access>{access}, log_);
    }

    json ask(std::uint32_t of) {
        control_request request;
        request.verb = request_verb::copy;
        request.node_id = of;
        request.timeout = 2000ms;
        std::string reply;
        nodes_[0].service->handle(request, [&](const std::string& line) { reply = line; });
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (reply.empty() && std::chrono::steady_clock::now() < end) {
            loop_.run_one_for(100ms);
        }
        return json::parse(reply, nullptr, false);
    }

    spdlog::logger log_;
    boost::asio::io_context loop_;
    std::array<node, 2> nodes_;
};

TEST_F(two_nodes, an_error_of_the_other_node_is_not_overtaken_by_an_answer_to_the_same_request) {
    const auto reply = ask(2);
    ASSERT_TRUE(reply.is_object());
    EXPECT_FALSE(reply.value("ok", true)) << reply;
    EXPECT_NE(reply.value("error", "").find("diskhb-copyd does not answer"), std::string::npos)
        << reply;
    EXPECT_EQ(nodes_[1].service->report(nodes_[1].config.rings.front()).peer_requests, 1U);
}

}  // namespace
}  // namespace diskhb::daemon
