// SPDX-License-Identifier: BSD-3-Clause
// Memory is taken at start: with two nodes running on real volumes, one that both share or one for
// each, none of their threads and no client calls the allocator while data flows. A program of its
// own, since it replaces operator new.
#include <gtest/gtest.h>

#include <thread>

#include "counting_allocator.hpp"
#include "diskhb/node.hpp"
#include "volume_file.hpp"

namespace diskhb {
namespace {

using namespace std::chrono_literals;

struct variant {
    io_backend backend = io_backend::posix;
    bool is_shared = true;
};

format::superblock superblock_of(std::uint8_t site) {
    auto content = test::small_superblock();
    content.cluster[0] = site;
    return content;
}

class no_allocation : public testing::TestWithParam<variant> {
  protected:
    node_options options(std::uint32_t id, std::uint32_t peer) const {
        node_options chosen;
        chosen.node_id = id;
        chosen.peers = {peer};
        chosen.backend = GetParam().backend;
        if (!GetParam().is_shared) {
            // What the peer writes to, as a copy of it without lag.
            chosen.receive_from = {{send_volume(peer), {peer}}};
            chosen.read_deadline = 1s;
        }
        chosen.ttl = 5s;
        chosen.beat_interval = 20ms;
        chosen.peer_timeout = 2s;
        return chosen;
    }
    std::string send_volume(std::uint32_t id) const {
        return GetParam().is_shared || id == 1 ? volume_.path() : other_.path();
    }
    void wait_for_both() const {
        const auto hears = [](const node& one) {
            const auto peers = one.statistics().peers;
            return !peers.empty() && peers[0].state == peer_state::alive &&
                   peers[0].acknowledges_us;
        };
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!hears(one_) || !hears(two_)) {
            ASSERT_LT(std::chrono::steady_clock::now(), end);
            std::this_thread::yield();
        }
    }
    // Datagrams and messages of every size there and back, an echo, a buffer that is too small, a
    // wait in vain. True if all arrived.
    bool exchange(int rounds) {
        bool good = true;
        for (int round = 0; round < rounds; ++round) {
            for (const std::size_t size : {1, 200, 5000, 65536}) {
                const auto payload = std::span(payload_).first(size);
                good = !one_.submit(2, packet_type::cluster, payload) && good;
                good = two_.receive(buffer_, 20s).has_value() && good;
                good = !two_.submit(every_node, packet_type::bulk, payload) && good;
                good = one_.receive(std::span(buffer_).first(0), 20s).error() == errc::too_long &&
                       one_.receive(buffer_, 20s).has_value() && good;
            }
            good = !one_.send_message(2, payload_) && good;
            good = two_.receive_message(buffer_, 20s).has_value() && good;
            good = one_.echo(2, 20s).has_value() && good;
            good = one_.receive(buffer_, 1ms).error() == errc::timed_out && good;
        }
        return good;
    }

    test::volume_file volume_{superblock_of(1)};
    test::volume_file other_{superblock_of(2)};
    node one_{send_volume(1), options(1, 2)};
    node two_{send_volume(2), options(2, 1)};
    std::vector<std::byte> payload_ = std::vector<std::byte>(200'000);
    std::vector<std::byte> buffer_ = std::vector<std::byte>(max_message_bytes);
};

TEST_P(no_allocation, happens_while_data_flows) {
    one_.start();
    two_.start();
    wait_for_both();
    test::begin_counting();
    const bool good = exchange(30);
    EXPECT_EQ(test::end_counting(), 0U);
    EXPECT_TRUE(good);
    EXPECT_GT(two_.statistics()[counter::ring_writes], 0U);
    EXPECT_EQ(two_.statistics()[counter::messages_delivered], 30U);
}

TEST_P(no_allocation, is_seen_when_it_happens) {
    test::begin_counting();
    const auto made = std::make_unique<std::vector<int>>(10);
    EXPECT_EQ(test::end_counting(), 2U);
    EXPECT_EQ(made->size(), 10U);
}

INSTANTIATE_TEST_SUITE_P(backends, no_allocation,
                         testing::Values(variant{io_backend::posix, true},
                                         variant{io_backend::uring, true},
                                         variant{io_backend::posix, false},
                                         variant{io_backend::uring, false}),
                         [](const auto& chosen) {
                             const bool is_posix = chosen.param.backend == io_backend::posix;
                             return std::string(is_posix ? "posix" : "uring") +
                                    (chosen.param.is_shared ? "" : "_two_volumes");
                         });

}  // namespace
}  // namespace diskhb
