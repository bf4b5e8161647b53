// SPDX-License-Identifier: BSD-3-Clause
// That a copy of a slot never announces what it does not hold, whatever happens on the way, and
// that it gets there.
#include "replication/slot_copier.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "copy_bench.hpp"

namespace diskhb::replication {
namespace {

using test::copy_bench;
constexpr std::uint64_t ms = 1'000'000;

void expect_clean(const copy_bench& bench) {
    EXPECT_EQ(bench.lies, 0U);
    EXPECT_EQ(bench.strangers, 0U);
    EXPECT_EQ(bench.strays + bench.from->strays + bench.to->strays, 0U);
    EXPECT_EQ(bench.source_port->misuses() + bench.target_port->misuses(), 0U);
}

// Lets the writer finish and the copier catch up.
void settle(copy_bench& bench) {
    bench.writer.is_stopped = true;
    bench.run_for(3000 * ms);
    bench.check_target();
}

TEST(slot_copier, brings_ring_and_table_to_the_target) {
    copy_bench bench(1);
    bench.run_for(500 * ms);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    EXPECT_GT(bench.copier->counters().ring_bytes_written, 1U << 20);
    EXPECT_GT(bench.copier->counters().blocks_announced, 100U);
    EXPECT_EQ(bench.copier->counters().laps, 0U);
    EXPECT_GT(bench.checks, 100U);
    expect_clean(bench);
}

TEST(slot_copier, copies_nothing_twice_while_nothing_changes) {
    copy_bench bench(2);
    bench.run_for(100 * ms);
    settle(bench);
    const auto written = bench.to->writes;
    bench.run_for(1000 * ms);
    EXPECT_EQ(bench.to->writes, written);
    expect_clean(bench);
}

TEST(slot_copier, polls_less_often_while_nothing_changes) {
    copy_bench bench(3);
    bench.run_for(100 * ms);
    settle(bench);
    const auto reads = bench.copier->counters().table_reads;
    bench.run_for(1000 * ms);
    EXPECT_LE(bench.copier->counters().table_reads - reads, 210U);
}

TEST(slot_copier, begins_anew_after_it_was_killed) {
    copy_bench bench(4);
    bench.run_for(200 * ms);
    bench.kill_copier(true);
    bench.run_for(50 * ms);
    bench.end_writes();
    bench.start_copier();
    bench.run_for(200 * ms);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, follows_the_writer_into_its_next_life) {
    copy_bench bench(5);
    bench.run_for(100 * ms);
    bench.writer.is_stopped = true;
    bench.run_for(10 * ms);
    bench.writer.begin_life();
    bench.writer.is_stopped = false;
    bench.run_for(100 * ms);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    EXPECT_EQ(bench.copier->counters().lives, 2U);
    expect_clean(bench);
}

TEST(slot_copier, catches_up_with_a_writer_that_laps_it) {
    copy_bench bench(6);
    bench.writer.ring_share = 1;
    bench.writer.pause_ns_max = 0;
    io::sim_latency slow;
    slow.write_ns_min = 20 * ms;
    slow.write_ns_max = 40 * ms;
    bench.target_port->set_latency(slow);
    bench.check_every = 31;
    bench.run_for(700 * ms);
    EXPECT_GT(bench.copier->counters().laps, 1U);
    // Though it is lapped all the time, it announces what was whole.
    EXPECT_GT(bench.copier->counters().blocks_announced, 3U);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, writes_no_faster_than_it_may) {
    copy_bench bench(7);
    bench.setup.rate_bytes_per_s = 1 << 20;
    bench.start_copier();
    bench.writer.ring_share = 1;
    bench.writer.pause_ns_max = 1 * ms;
    bench.check_every = 31;
    bench.run_for(1000 * ms);
    const auto written = bench.copier->counters().ring_bytes_written;
    EXPECT_LE(written, (1U << 20) + 64 * 1024);
    EXPECT_GT(written, 3U << 18);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, writes_ring_pieces_side_by_side) {
    copy_bench bench(8);
    bench.setup.writes_most = 16;
    bench.start_copier();
    io::sim_latency far;
    far.write_ns_min = far.write_ns_max = 20 * ms;
    bench.target_port->set_latency(far);
    bench.writer.ring_share = 1;
    bench.writer.pause_ns_max = 12 * ms;
    bench.run_for(2000 * ms);
    // 16 KiB each 20 ms would be 1.6 MB in this time.
    EXPECT_GT(bench.copier->counters().ring_bytes_written, 3'500'000U);
    EXPECT_LT(bench.copier->last_lag_ns(), 100 * ms);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, measures_its_lag_by_the_writers_clock) {
    copy_bench bench(9);
    io::sim_latency far;
    far.write_ns_min = far.write_ns_max = 20 * ms;
    bench.target_port->set_latency(far);
    bench.writer.ring_share = 0;
    bench.writer.pause_ns_max = 200 * ms;
    bench.run_for(1000 * ms);
    settle(bench);
    EXPECT_GE(bench.copier->last_lag_ns(), 20 * ms);
    // A block that comes just after another waits until that one is written.
    EXPECT_LE(bench.copier->last_lag_ns(), 46 * ms);
    EXPECT_EQ(bench.copier->behind_ns(bench.source.now_ns()), 0U);
}

TEST(slot_copier, settles_a_request_when_its_block_is_on_the_target) {
    copy_bench bench(10);
    bench.run_for(100 * ms);
    const auto ticket = bench.copier->request_copy(bench.source.now_ns());
    EXPECT_LT(bench.copier->settled(), ticket);
    bench.run_for(20 * ms);
    EXPECT_GE(bench.copier->settled(), ticket);
    settle(bench);
    const auto idle = bench.copier->request_copy(bench.source.now_ns());
    bench.run_for(1 * ms);
    EXPECT_GE(bench.copier->settled(), idle);
}

TEST(slot_copier, waits_for_a_target_that_hangs) {
    copy_bench bench(11);
    bench.run_for(100 * ms);
    bench.target_port->set_hanging(true);
    bench.run_for(1000 * ms);
    const auto announced = bench.copier->counters().blocks_announced;
    EXPECT_GT(bench.copier->behind_ns(bench.source.now_ns()), 900 * ms);
    bench.target_port->set_hanging(false);
    bench.target_port->release_hanging();
    bench.run_for(200 * ms);
    EXPECT_GT(bench.copier->counters().blocks_announced, announced + 10);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, refuses_to_write_to_the_source_itself) {
    copy_bench bench(12);
    bench.kill_copier(false);
    bench.copier = std::make_unique<slot_copier>(bench.setup);
    bench.from = bench.source.open(bench.source_port, bench.slot, bench.copier->source_depth());
    bench.to = bench.source.open(bench.target_port, bench.slot, bench.copier->target_depth());
    // target_port leads to the other volume; a port of the source under another name:
    auto alias = bench.source.make_port(99);
    bench.to = bench.source.open(alias, bench.slot, bench.copier->target_depth());
    bench.run_for(1000 * ms);
    EXPECT_EQ(bench.to->writes, 0U);
    EXPECT_EQ(bench.copier->state(), copier_state::refused);
    settle(bench);
    EXPECT_EQ(bench.to->writes, 0U);
}

TEST(slot_copier, writes_nothing_to_an_alias_while_the_writer_is_quiet) {
    copy_bench bench(13);
    bench.kill_copier(false);
    bench.run_for(100 * ms);
    bench.writer.is_stopped = true;
    bench.run_for(10 * ms);
    bench.copier = std::make_unique<slot_copier>(bench.setup);
    bench.from = bench.source.open(bench.source_port, bench.slot, bench.copier->source_depth());
    auto alias = bench.source.make_port(99);
    bench.to = bench.source.open(alias, bench.slot, bench.copier->target_depth());
    bench.run_for(1000 * ms);
    EXPECT_EQ(bench.to->writes, 0U);
    EXPECT_EQ(bench.copier->state(), copier_state::proving);
}

TEST(slot_copier, goes_on_with_a_target_whose_block_is_torn_for_good) {
    copy_bench bench(14);
    bench.run_for(100 * ms);
    bench.kill_copier(false);
    bench.run_for(10 * ms);
    bench.target.block(bench.slot)[2000] ^= std::byte{1};
    bench.start_copier();
    bench.run_for(300 * ms);
    EXPECT_EQ(bench.copier->state(), copier_state::copying);
    settle(bench);
    EXPECT_TRUE(bench.is_in_step());
    expect_clean(bench);
}

TEST(slot_copier, takes_no_block_that_is_not_intact_or_not_of_its_slot) {
    copy_bench bench(15);
    bench.run_for(50 * ms);
    settle(bench);
    const auto whole = std::vector<std::byte>(bench.target.block(bench.slot).begin(),
                                              bench.target.block(bench.slot).end());
    auto block = bench.source.block(bench.slot);
    block[500] ^= std::byte{1};
    bench.run_for(100 * ms);
    EXPECT_EQ(bench.copier->rejected(), errc::torn);
    EXPECT_GT(bench.copier->counters().torn_reads, 5U);
    EXPECT_TRUE(std::ranges::equal(bench.target.block(bench.slot), whole));
    const std::vector<format::acknowledgement> acks(bench.setup.measures.slots);
    format::table_header header;
    header.node_id = 1;
    header.incarnation = 5;
    std::vector<std::byte> foreign(4096);
    format::encode_table(foreign, bench.setup.measures, bench.setup.cluster, header, acks, {}, 0);
    std::ranges::copy(foreign, bench.source.block(bench.slot).begin());
    bench.run_for(100 * ms);
    EXPECT_EQ(bench.copier->rejected(), errc::misplaced);
    EXPECT_TRUE(std::ranges::equal(bench.target.block(bench.slot), whole));
}

#if defined(__SANITIZE_THREAD__)
constexpr int seed_count_default = 2;  // all in one thread, and ten times as slow
#else
constexpr int seed_count_default = 6;
#endif

// DISKHB_SEEDS asks for more runs.
int seed_count() {
    const char* const wanted = std::getenv("DISKHB_SEEDS");
    return wanted == nullptr ? seed_count_default : std::atoi(wanted);
}

void set_random_latency(io::sim_random& random, io::sim_port& port) {
    io::sim_latency latency;
    latency.read_ns_max = random.between(60'000, 3 * ms);
    latency.write_ns_max = random.between(60'000, random.chance(0.3) ? 60 * ms : 4 * ms);
    latency.slow_ns = 100 * ms;
    port.set_latency(latency);
}

// Kills, restarts, device errors, delays, laps and new lives of the writer in random order.
TEST(slot_copier, never_announces_what_the_target_does_not_hold) {
    for (int seed = 1; seed <= seed_count(); ++seed) {
        SCOPED_TRACE(seed);
        copy_bench bench(static_cast<std::uint64_t>(seed) * 1000);
        io::sim_random random(static_cast<std::uint64_t>(seed));
        bench.setup.writes_most = static_cast<unsigned>(random.between(1, 8));
        bench.setup.memory_bytes_max = random.chance(0.3) ? 64 * 1024 : 1 << 20;
        for (int phase = 0; phase < 12; ++phase) {
            bench.writer.pause_ns_max = random.chance(0.2) ? 0 : random.below(5 * ms);
            bench.writer.ring_share = random.chance(0.2) ? 1 : 0.5;
            set_random_latency(random, *bench.source_port);
            set_random_latency(random, *bench.target_port);
            bench.target_port->set_rate(io::sim_fault::write_error, random.chance(0.3) ? 0.01 : 0);
            bench.source_port->set_rate(io::sim_fault::read_error, random.chance(0.1) ? 0.001 : 0);
            bench.target_port->set_rate(io::sim_fault::slow, random.chance(0.3) ? 0.02 : 0);
            bench.run_for(random.below(60 * ms));
            if (random.chance(0.6)) {
                bench.kill_copier(random.chance(0.7));
                bench.check_target();
                bench.run_for(random.below(10 * ms));
                bench.end_writes();
                bench.start_copier();
            }
            if (random.chance(0.2) && bench.writer.is_idle()) {
                bench.writer.begin_life();
            }
        }
        bench.target_port->set_all_rates(0);
        bench.source_port->set_all_rates(0);
        settle(bench);
        EXPECT_TRUE(bench.is_in_step());
        expect_clean(bench);
        if (testing::Test::HasFailure()) {
            return;
        }
    }
}

}  // namespace
}  // namespace diskhb::replication
