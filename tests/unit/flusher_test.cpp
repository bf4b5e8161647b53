// SPDX-License-Identifier: BSD-3-Clause
// The flusher over a simulated volume: what it writes, when, why, and what it never does.
#include "engine/flusher.hpp"

#include <gmock/gmock.h>

#include "format/batch.hpp"
#include "io/sim_random.hpp"
#include "sim_ring.hpp"

namespace diskhb::engine {
namespace {

using testing::ElementsAre;
constexpr std::uint64_t us = 1000;
constexpr std::uint64_t ms = 1000 * us;

struct noting_observer final : send_observer {
    void on_message_left(format::slot_index) noexcept override { ++messages_left; }
    void on_announced(std::uint64_t end_sequence, std::uint64_t begun_ns,
                      const slot_set& to) noexcept override {
        announced_end = end_sequence;
        announced_ns = begun_ns;
        destinations = to;
    }
    void on_written(std::uint64_t end_sequence) noexcept override { written_end = end_sequence; }
    int messages_left = 0;
    std::uint64_t announced_end = 0;
    std::uint64_t announced_ns = 0;
    slot_set destinations;
    std::uint64_t written_end = 0;
};

struct counting_waker final : waker {
    void wake() noexcept override { ++wakes; }
    int wakes = 0;
};

class flusher_test : public testing::Test {
  protected:
    flusher_test() { make({true, 64 * 1024, 1 * ms, 100 * ms}); }

    void make(const flush_settings& settings, ring::log_start start = {}) {
        queue_ = std::make_unique<send_queue>(1 << 20, settings.fill_bytes);
        flusher_setup setup;
        setup.measures = ring_.content().measures;
        setup.cluster = ring_.content().cluster;
        setup.node_id = 2;
        setup.batch_bytes = ring::longest_batch_bytes(setup.measures);
        setup.ttl_ns = 200 * ms;
        setup.flush = settings;
        setup.start = start;
        flusher_ =
            std::make_unique<flusher>(setup, *queue_, board_, beats_, counts_, clock_, observer_);
        attach();
    }
    void attach() {
        channel_ = ring_.open(port_, slot, 2);
        flusher_->attach(*channel_, waker_);
    }
    void start() {
        flusher_->follow(77);
        run(10 * ms);
    }
    void run(std::uint64_t duration_ns) {
        ring_.run_until(ring_.now_ns() + duration_ns,
                        [&](std::uint64_t now_ns) { return flusher_->step(now_ns); });
    }
    void submit(std::size_t size, char letter = 'x',
                format::frame_kind kind = format::frame_kind::datagram) {
        const std::string text(size, letter);
        const format::frame frame{0, kind, ring_.now_ns(), std::as_bytes(std::span(text))};
        ASSERT_FALSE(queue_->submit(packet_type::cluster, frame));
    }
    std::uint64_t count(counter which) const { return counts_.get(which); }
    // Since the last call.
    std::uint64_t more(counter which) {
        auto& known = known_[static_cast<std::size_t>(which)];
        return count(which) - std::exchange(known, count(which));
    }
    static std::vector<char> letters(std::span<const std::byte> frames) {
        std::vector<char> found;
        for (format::frame_reader reader(frames); !reader.at_end();) {
            found.push_back(static_cast<char>(reader.next()->payload[0]));
        }
        return found;
    }

    static constexpr format::slot_index slot = 1;
    test::sim_ring ring_;
    test::ring_clock clock_{ring_};
    std::shared_ptr<io::sim_port> port_ = ring_.make_port(1);
    ring::counters counts_;
    acknowledgement_board board_{ring_.content().measures.slots};
    ring::beat_log beats_;
    noting_observer observer_;
    std::shared_ptr<counting_waker> waker_ = std::make_shared<counting_waker>();
    std::unique_ptr<send_queue> queue_;
    std::unique_ptr<test::guarded_channel> channel_;
    std::unique_ptr<flusher> flusher_;
    std::array<std::uint64_t, counter_count> known_{};
};

TEST_F(flusher_test, writes_nothing_before_it_may) {
    submit(10);
    run(300 * ms);
    EXPECT_EQ(channel_->writes, 0U);
}

TEST_F(flusher_test, carries_a_lone_frame_in_one_write) {
    start();
    const auto writes = channel_->writes;
    submit(100, 'a');
    run(5 * ms);
    EXPECT_EQ(channel_->writes, writes + 1);
    EXPECT_EQ(count(counter::ring_writes), 0U);
    const auto block = ring_.table(slot);
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(block->incarnation, 77U);
    EXPECT_THAT(letters(block->inline_frames), ElementsAre('a'));
    EXPECT_EQ(count(counter::frames_written), 1U);
    EXPECT_EQ(observer_.written_end, 1U);
}

TEST_F(flusher_test, keeps_inline_frames_until_a_batch_takes_them_over) {
    start();
    submit(100, 'a');
    run(5 * ms);
    submit(100, 'b');
    run(5 * ms);
    EXPECT_THAT(letters(ring_.table(slot)->inline_frames), ElementsAre('a', 'b'));
    submit(5000, 'c');
    run(5 * ms);
    const auto block = ring_.table(slot);
    EXPECT_EQ(block->inline_count, 0U);
    EXPECT_EQ(block->head_sequence, 3U);
    const auto& measures = ring_.content().measures;
    const auto batch = format::decode_batch(
        ring_.volume().bytes().subspan(measures.ring_offset(slot), measures.ring_bytes), measures,
        {ring_.content().cluster, slot, 77, 0});
    ASSERT_TRUE(batch.has_value()) << batch.error().message();
    EXPECT_EQ(batch->first_sequence, 0U);
    EXPECT_THAT(letters(batch->frames), ElementsAre('a', 'b', 'c'));
    EXPECT_EQ(count(counter::frames_written), 3U);
}

TEST_F(flusher_test, announces_a_batch_only_when_its_write_has_completed) {
    start();
    port_->set_hanging(true);
    submit(5000);
    run(50 * ms);
    EXPECT_EQ(count(counter::ring_writes), 1U);
    EXPECT_EQ(ring_.table(slot)->head, 0U);
    EXPECT_GT(flusher_->pending_ns(ring_.now_ns()), 40 * ms);
    port_->set_hanging(false);
    run(5 * ms);
    EXPECT_EQ(ring_.table(slot)->head, 8192U);
    EXPECT_EQ(flusher_->pending_ns(ring_.now_ns()), 0U);
}

TEST_F(flusher_test, gathers_while_a_write_is_in_flight_and_counts_why_it_woke) {
    start();
    more(counter::wakes_idle_device);
    more(counter::wakes_write_done);
    more(counter::table_writes);
    submit(10, 'a');
    flusher_->step(ring_.now_ns());
    ASSERT_TRUE(flusher_->busy());
    submit(10, 'b');
    submit(10, 'c');
    run(5 * ms);
    EXPECT_EQ(more(counter::wakes_idle_device), 1U);
    EXPECT_EQ(more(counter::wakes_write_done), 1U);
    EXPECT_EQ(more(counter::table_writes), 2U);
}

TEST_F(flusher_test, wakes_by_fill_and_by_deadline_when_it_gathers) {
    make({false, 3000, 1 * ms, 100 * ms});
    start();
    more(counter::flusher_sleeps);
    submit(10);
    run(1 * ms - 10);
    EXPECT_EQ(count(counter::wakes_deadline), 0U);
    run(5 * ms);
    EXPECT_EQ(count(counter::wakes_deadline), 1U);
    for (int number = 0; number < 10; ++number) {
        submit(300);
    }
    const int wakes = waker_->wakes;
    EXPECT_GE(wakes, 1);
    run(10 * us);
    EXPECT_EQ(count(counter::wakes_fill), 1U);
    run(5 * ms);
    EXPECT_EQ(count(counter::wakes_fill), 1U);
    EXPECT_EQ(count(counter::wakes_idle_device), 0U);
    EXPECT_EQ(count(counter::wakes_write_done), 0U);
    EXPECT_GE(more(counter::flusher_sleeps), 2U);
}

TEST_F(flusher_test, beats_at_the_beat_interval_when_there_is_nothing_to_do) {
    start();
    more(counter::wakes_beat);
    more(counter::flusher_sleeps);
    const auto beat = ring_.table(slot)->sequence;
    run(1000 * ms);
    const auto beats = more(counter::wakes_beat);
    EXPECT_GE(beats, 9U);
    EXPECT_LE(beats, 10U);
    EXPECT_EQ(ring_.table(slot)->sequence, beat + beats);
    // Once after each write, and once when run() called.
    EXPECT_EQ(more(counter::flusher_sleeps), beats + 1);
}

TEST_F(flusher_test, acknowledges_when_a_peer_waits) {
    start();
    board_.set(0, {5, 6, 7, 8});
    board_.set_flusher(waker_);
    board_.want_by(ring_.now_ns() + 2 * ms);
    EXPECT_EQ(waker_->wakes, 1);
    board_.want_by(ring_.now_ns() + 3 * ms);  // not earlier: no further wake
    EXPECT_EQ(waker_->wakes, 1);
    run(10 * ms);
    EXPECT_EQ(count(counter::wakes_acknowledge), 1U);
    EXPECT_EQ(format::acknowledgement_of(*ring_.table(slot), 0),
              (format::acknowledgement{5, 6, 7, 8}));
}

TEST_F(flusher_test, says_for_whom_it_writes_and_remembers_when_it_encoded) {
    start();
    EXPECT_TRUE(observer_.destinations.none());  // beats are for nobody
    const std::uint64_t begun_ns = ring_.now_ns();
    submit(10);
    run(2 * ms);
    EXPECT_EQ(observer_.announced_end, 1U);
    EXPECT_EQ(observer_.destinations, slot_set(1));
    EXPECT_EQ(observer_.announced_ns, begun_ns);
    const auto block = ring_.table(slot);
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(beats_.encoded_ns(77, block->sequence), begun_ns);
    EXPECT_EQ(block->clock_ns, begun_ns);

    // A batch counts from the start of its own write, its frames once.
    const std::uint64_t batch_ns = ring_.now_ns();
    submit(9000);
    run(5 * ms);
    EXPECT_EQ(observer_.announced_end, 2U);
    EXPECT_EQ(observer_.announced_ns, batch_ns);
    EXPECT_GT(beats_.encoded_ns(77, ring_.table(slot)->sequence), batch_ns);
    observer_.destinations.reset();
    run(250 * ms);
    EXPECT_TRUE(observer_.destinations.none());
    flusher_->follow(0);
    flusher_->follow(78);
    run(5 * ms);
    EXPECT_FALSE(beats_.encoded_ns(77, 1));
    EXPECT_TRUE(beats_.encoded_ns(78, 1));
}

TEST_F(flusher_test, drops_what_waited_longer_than_the_ttl_behind_a_stalled_write) {
    start();
    port_->set_hanging(true);
    submit(10, 'a');
    run(10 * ms);
    submit(10, 'b', format::frame_kind::message);
    run(10'000 * ms);
    submit(10, 'c');
    port_->set_hanging(false);
    run(5 * ms);
    EXPECT_EQ(count(counter::dropped_expired_send), 1U);
    EXPECT_EQ(observer_.messages_left, 1);
    EXPECT_THAT(letters(ring_.table(slot)->inline_frames), ElementsAre('a', 'c'));
}

TEST_F(flusher_test, gives_its_block_a_clock_not_before_any_frame_in_it) {
    start();
    // The thread took the time, then a client submitted, then the thread went on.
    const std::uint64_t taken_ns = ring_.now_ns();
    ring_.clock().advance_to(taken_ns + 3 * ms);
    submit(10);
    flusher_->step(taken_ns);
    run(5 * ms);
    const auto block = ring_.table(slot);
    EXPECT_GE(block->clock_ns, format::frame_reader(block->inline_frames).next()->submitted_ns);
}

TEST_F(flusher_test, gives_its_block_a_clock_not_before_a_beat_that_it_echoes) {
    start();
    // The thread took the time and was held up; meanwhile a beat was read that is echoed now. A
    // reader concludes from the echo that the block was encoded after that beat.
    submit(10);
    const std::uint64_t taken_ns = ring_.now_ns();
    ring_.clock().advance_to(taken_ns + 2000 * ms);
    board_.set(0, {5, 6, 7, 8});
    flusher_->step(taken_ns);
    run(5 * ms);
    const auto block = ring_.table(slot);
    ASSERT_EQ(format::acknowledgement_of(*block, 0).beat, 8U);
    EXPECT_GE(block->clock_ns, taken_ns + 2000 * ms);
}

TEST_F(flusher_test, says_good_bye_after_the_write_that_is_in_flight) {
    start();
    for (const std::size_t size : {10, 5000}) {
        submit(size);
        flusher_->step(ring_.now_ns());
        ASSERT_TRUE(flusher_->busy());
        flusher_->say_farewell();
        run(5 * ms);
        ASSERT_TRUE(flusher_->said_farewell());
        EXPECT_EQ(ring_.table(slot)->state, format::node_state::stopped);
        const auto writes = channel_->writes;
        run(500 * ms);
        EXPECT_EQ(channel_->writes, writes);
        make({true, 64 * 1024, 1 * ms, 100 * ms});
        flusher_->follow(78);
        run(10 * ms);
    }
}

TEST_F(flusher_test, counts_the_frames_of_a_failed_write_and_goes_on_behind_them) {
    start();
    submit(5000, 'a');
    run(5 * ms);
    port_->set_rate(io::sim_fault::write_error, 1);
    submit(5000, 'b');
    submit(10, 'c');
    run(5 * ms);
    EXPECT_TRUE(flusher_->lost());
    EXPECT_FALSE(flusher_->busy());
    EXPECT_EQ(count(counter::write_errors), 1U);
    EXPECT_EQ(count(counter::dropped_io_error), 2U);
    EXPECT_EQ(observer_.written_end, 3U);
    flusher_->detach();
    EXPECT_EQ(flusher_->step(ring_.now_ns()), never_ns);
    port_->set_all_rates(0);
    attach();
    submit(10, 'd');
    run(5 * ms);
    const auto block = ring_.table(slot);
    EXPECT_EQ(block->tail, block->head);  // what was there is offered no more
    EXPECT_EQ(block->head_sequence, 3U);
    EXPECT_THAT(letters(block->inline_frames), ElementsAre('d'));
}

TEST_F(flusher_test, ends_a_life_at_once_and_begins_the_next_when_the_write_has_ended) {
    start();
    submit(5000);
    flusher_->step(ring_.now_ns());
    ASSERT_TRUE(flusher_->busy());
    flusher_->follow(0);
    run(300 * ms);
    EXPECT_FALSE(flusher_->busy());
    EXPECT_EQ(ring_.table(slot)->head, 0U);  // never announced
    EXPECT_EQ(count(counter::dropped_not_joined), 1U);
    submit(10, 'q');
    const auto writes = channel_->writes;
    run(50 * ms);
    EXPECT_EQ(channel_->writes, writes);
    flusher_->follow(78);
    run(5 * ms);
    const auto block = ring_.table(slot);
    EXPECT_EQ(block->incarnation, 78U);
    EXPECT_EQ(block->sequence, 1U);
    EXPECT_EQ(block->head_sequence, 0U);
    EXPECT_THAT(letters(block->inline_frames), ElementsAre('q'));
}

TEST_F(flusher_test, writes_only_its_own_table_block_and_ring_however_often_it_laps) {
    const auto measures = ring_.content().measures;
    const std::uint64_t last_lap = UINT64_MAX - measures.ring_bytes + 1;
    make({true, 64 * 1024, 1 * ms, 100 * ms}, {last_lap, UINT64_MAX - 100});
    const std::vector<std::byte> before(ring_.volume().bytes().begin(),
                                        ring_.volume().bytes().end());
    start();
    io::sim_random random(3);
    for (int round = 0; round < 600; ++round) {
        for (std::uint64_t frames = random.between(1, 4); frames > 0; --frames) {
            submit(random.chance(0.1) ? 65536 : random.between(1, 9000));
        }
        run(random.between(1, 2000) * us);
    }
    run(100 * ms);
    EXPECT_EQ(channel_->strays, 0U);
    EXPECT_GT(channel_->writes, 600U);
    EXPECT_GT(ring_.table(slot)->head, measures.ring_bytes);  // wrapped at 2^64, and lapped
    EXPECT_LT(ring_.table(slot)->head, 1000 * measures.ring_bytes);
    EXPECT_EQ(port_->misuses(), 0U);
    // All else on the volume is as it was.
    const std::span<const std::byte> after = ring_.volume().bytes();
    const auto is_same = [&](std::uint64_t begin, std::uint64_t end) {
        return std::equal(after.begin() + static_cast<std::ptrdiff_t>(begin),
                          after.begin() + static_cast<std::ptrdiff_t>(end),
                          before.begin() + static_cast<std::ptrdiff_t>(begin));
    };
    EXPECT_TRUE(is_same(0, measures.table_offset(slot)));
    EXPECT_TRUE(is_same(measures.table_offset(slot + 1), measures.ring_offset(slot)));
    EXPECT_TRUE(is_same(measures.ring_offset(slot + 1), after.size()));
}

}  // namespace
}  // namespace diskhb::engine
