// SPDX-License-Identifier: BSD-3-Clause
// A node's engine without threads, over simulated volumes: what its lives leave behind.
#include "engine/ring_engine.hpp"

#include <gtest/gtest.h>

#include "sim_ring.hpp"

namespace diskhb::engine {
namespace {

class ring_engine_test : public testing::Test {
  protected:
    ring_engine_test() {
        options_.node_id = 2;
        options_.peers = {1, 3};
        options_.receive_from = {{"/copy", {3}}};
        ring_context context;
        context.options = &options_;
        context.time = &clock_;
        context.queue = &queue_;
        context.datagrams = &datagrams_;
        context.echoes = &echoes_;
        context.counts = &counts_;
        context.draw_incarnation = [this] { return ++drawn_; };
        engine_ = std::make_unique<ring_engine>(context, ring_.content());
        channel_ = ring_.open(port_, own_slot, receiver::channel_depth);
        engine_->receiver(0)->attach(*channel_);
    }
    ~ring_engine_test() override { engine_->receiver(0)->detach(); }

    ring_engine::slot_change watch() {
        ring_.run_until(ring_.now_ns() + 50'000'000, [this](std::uint64_t now_ns) {
            return engine_->receiver(0)->step(now_ns);
        });
        return engine_->watch_slot();
    }
    void write_own_slot(std::uint64_t incarnation, std::uint64_t sequence) {
        format::table_header header;
        header.node_id = options_.node_id;
        header.incarnation = incarnation;
        header.sequence = sequence;
        const std::vector<format::acknowledgement> none(ring_.content().measures.slots);
        format::encode_table(ring_.block(own_slot), ring_.content().measures,
                             ring_.content().cluster, header, none, {}, 0);
    }
    format::acknowledgement board_of(format::slot_index peer) {
        std::vector<format::acknowledgement> all(ring_.content().measures.slots);
        engine_->board().take(all);
        return all[peer];
    }

    static constexpr format::slot_index own_slot = 1;
    node_options options_;
    test::sim_ring ring_;
    test::ring_clock clock_{ring_};
    std::shared_ptr<io::sim_port> port_ = ring_.make_port(1);
    send_queue queue_{1 << 20, 65536};
    receive_queue datagrams_{1 << 20};
    echo_table echoes_;
    ring::counters counts_;
    std::uint64_t drawn_ = 100;
    std::unique_ptr<test::guarded_channel> channel_;
    std::unique_ptr<ring_engine> engine_;
};

TEST_F(ring_engine_test, a_new_life_acknowledges_nothing_that_an_earlier_one_has_read) {
    ASSERT_EQ(watch(), ring_engine::slot_change::joined);
    // The receiver of the copy has read messages of node 3; now its volume hangs.
    engine_->board().set(2, {7, 8, 9, 10});
    write_own_slot(55, 1);
    (void)watch();
    write_own_slot(55, 2);
    ASSERT_EQ(watch(), ring_engine::slot_change::stolen);
    EXPECT_EQ(board_of(2), format::acknowledgement());
}

}  // namespace
}  // namespace diskhb::engine
