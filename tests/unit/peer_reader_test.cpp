// SPDX-License-Identifier: BSD-3-Clause
// What a reader hands out of a peer's log, what it refuses, and what it counts as lost.
#include "ring/peer_reader.hpp"

#include <gmock/gmock.h>

#include "peer_log.hpp"
#include "volume_file.hpp"

namespace diskhb::ring {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using news = peer_reader::news;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t ttl_ns = 200 * ms;

class peer_reader_test : public testing::Test {
  protected:
    peer_reader_test() { log_.clock_ns = now_ns_; }

    test::peer_log life(std::uint64_t incarnation, log_start start = {}) const {
        test::peer_log made(volume_, 1, incarnation, start);
        made.clock_ns = now_ns_;
        return made;
    }
    // Our clock and the writer's go on.
    void pass(std::uint64_t duration_ns) {
        now_ns_ += duration_ns;
        log_.clock_ns += duration_ns;
    }
    news show(std::span<const std::byte> block) {
        const read_times when{now_ns_, now_ns_ + ms / 10};
        const news seen = reader_.on_table(block, when);
        now_ns_ = when.done_ns;
        return seen;
    }
    // Shows the block and reads all that it announces, from that log.
    news read(test::peer_log& from, std::span<const std::byte> block) {
        const news seen = show(block);
        from.feed(reader_, now_ns_, sink_);
        return seen;
    }
    // First sight and a second block, so that what follows is read.
    void meet() {
        show(log_.publish());
        pass(ms);
        show(log_.publish());
        pass(ms);
        show(log_.publish());
        pass(ms);
    }
    std::vector<std::string> taken() { return std::exchange(sink_.texts, {}); }
    std::uint64_t count(counter which) const { return counts_.get(which); }

    format::superblock volume_ = test::small_superblock("test", 256 * 1024);
    counters counts_;
    std::uint64_t now_ns_ = 50'000 * ms;
    test::peer_log log_{volume_, 1, 100};
    peer_reader reader_{{volume_.measures, volume_.cluster, 0, 1, ttl_ns}, counts_};
    test::note_sink sink_;
};

TEST_F(peer_reader_test, hands_out_batches_and_inline_frames_in_order_and_once) {
    meet();
    log_.write_batch({"a", "b"});
    log_.write_batch({"c"});
    const auto block = log_.publish({"d", "e"});
    EXPECT_EQ(read(log_, block), news::beat);
    EXPECT_THAT(taken(), ElementsAre("a", "b", "c", "d", "e"));
    EXPECT_EQ(read(log_, block), news::none);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(reader_.frames_read(), 5U);
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(peer_reader_test, takes_frames_that_moved_from_inline_into_the_ring_once) {
    meet();
    read(log_, log_.publish({"a", "b"}));
    log_.write_batch({"a", "b", "c"});
    read(log_, log_.publish({"d"}));
    EXPECT_THAT(taken(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(peer_reader_test, delivers_nothing_old_at_the_first_sight_of_an_incarnation) {
    log_.write_batch({"old", "older"});
    EXPECT_EQ(read(log_, log_.publish({"inline"})), news::first_sight);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(reader_.next_sequence(), 3U);
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(peer_reader_test, passes_over_frames_for_others) {
    meet();
    log_.destination = 3;
    log_.write_batch({"not ours"});
    log_.destination = 0;
    read(log_, log_.publish({"ours"}));
    EXPECT_THAT(taken(), ElementsAre("ours"));
    EXPECT_EQ(reader_.frames_read(), 1U);
    EXPECT_EQ(reader_.next_sequence(), 2U);
}

TEST_F(peer_reader_test, follows_a_new_incarnation_from_its_second_block_on) {
    meet();
    auto reborn = life(200);
    reborn.write_batch({"before"});
    EXPECT_EQ(read(reborn, reborn.publish({"inline"})), news::none);
    EXPECT_EQ(reader_.incarnation(), 100U);
    reborn.skip_sequences(1);  // "inline" is given up
    now_ns_ += ms;
    reborn.clock_ns += ms;
    reborn.write_batch({"after"});
    EXPECT_EQ(read(reborn, reborn.publish()), news::beat);
    EXPECT_EQ(reader_.incarnation(), 200U);
    EXPECT_THAT(taken(), ElementsAre("after"));
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(peer_reader_test, finds_an_incarnation_stale_that_has_ended) {
    meet();
    auto reborn = life(200);
    show(reborn.publish());
    show(reborn.publish());
    ASSERT_EQ(reader_.incarnation(), 200U);
    EXPECT_EQ(show(log_.publish({"ghost"})), news::rejected);
    EXPECT_EQ(show(log_.publish({"ghost"})), news::rejected);
    EXPECT_EQ(count(counter::rejected_stale), 2U);
    log_.feed(reader_, now_ns_, sink_);
    EXPECT_THAT(taken(), IsEmpty());
}

TEST_F(peer_reader_test, lets_no_old_copy_end_the_life_that_goes_on) {
    // We have never seen incarnation 50: a restored snapshot shows it once, and for a while.
    meet();
    auto ghost = life(50);
    const auto copy = ghost.publish({"ghost"});
    EXPECT_EQ(read(ghost, copy), news::none);
    EXPECT_EQ(read(ghost, copy), news::none);
    EXPECT_EQ(reader_.incarnation(), 100U);
    pass(ms);
    EXPECT_EQ(read(log_, log_.publish({"alive"})), news::beat);
    EXPECT_THAT(taken(), ElementsAre("alive"));
    EXPECT_EQ(read(ghost, copy), news::none);
    pass(ms);
    log_.skip_sequences(1);
    EXPECT_EQ(read(log_, log_.publish({"still"})), news::beat);
    EXPECT_THAT(taken(), ElementsAre("still"));
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(peer_reader_test, finds_a_block_stale_that_goes_backwards) {
    meet();
    const auto earlier = log_.publish({"a"});
    const std::vector<std::byte> kept(earlier.begin(), earlier.end());
    read(log_, earlier);
    read(log_, log_.publish({"a", "b"}));
    EXPECT_EQ(read(log_, kept), news::rejected);
    EXPECT_EQ(count(counter::rejected_stale), 1U);
    EXPECT_THAT(taken(), ElementsAre("a", "b"));
}

TEST_F(peer_reader_test, tells_a_farewell) {
    meet();
    log_.state = format::node_state::stopped;
    EXPECT_EQ(read(log_, log_.publish({"last words"})), news::farewell);
    EXPECT_THAT(taken(), ElementsAre("last words"));
}

TEST_F(peer_reader_test, counts_exactly_what_was_overwritten_while_it_was_frozen) {
    meet();
    for (int round = 0; round < 7; ++round) {
        log_.write_batch({"x", "y", "z"});
        read(log_, log_.publish());
    }
    const std::uint64_t read_before = taken().size();
    const std::uint64_t submitted_before = log_.next_sequence();
    ASSERT_EQ(read_before, 21U);
    // The ring has 64 blocks: about six laps, at times with padding.
    for (int round = 0; round < 250; ++round) {
        log_.write_batch({std::string(round % 3 == 0 ? 4000U : 10U, 'b'), "c"});
    }
    const std::uint64_t still_there = log_.next_sequence() - log_.log().tail_sequence();
    const std::uint64_t written = log_.next_sequence() - submitted_before;
    ASSERT_GT(written, still_there);
    read(log_, log_.publish());
    EXPECT_EQ(taken().size(), still_there);
    EXPECT_EQ(count(counter::lost_lapped), written - still_there);
    EXPECT_EQ(reader_.frames_lost(), written - still_there);
    // And only once.
    read(log_, log_.publish());
    EXPECT_EQ(count(counter::lost_lapped), written - still_there);
}

TEST_F(peer_reader_test, follows_numbers_that_wrap) {
    const std::uint64_t last_lap = UINT64_MAX - volume_.measures.ring_bytes + 1;
    log_ = life(100, {last_lap, UINT64_MAX - 40});
    log_.beat = UINT64_MAX - 50;
    meet();
    std::vector<std::string> expected;
    for (int number = 0; number < 150; ++number) {
        const std::string text = "frame " + std::to_string(number);
        log_.write_batch({text, std::string(6000, 'x')});
        expected.push_back(text);
        pass(ms);
        read(log_, log_.publish());
    }
    EXPECT_LT(log_.log().head(), 10 * volume_.measures.ring_bytes);
    EXPECT_LT(log_.next_sequence(), 1000U);
    std::vector<std::string> small;
    for (auto& text : taken()) {
        if (text.size() < 100) {
            small.push_back(text);
        }
    }
    EXPECT_EQ(small, expected);
    EXPECT_EQ(reader_.frames_lost(), 0U);
    EXPECT_EQ(count(counter::rejected_stale), 0U);
}

TEST_F(peer_reader_test, counts_a_lap_across_the_wrap) {
    log_ = life(100, {UINT64_MAX - volume_.measures.ring_bytes + 1, UINT64_MAX - 10});
    meet();
    const std::uint64_t begin = log_.next_sequence();
    for (int round = 0; round < 200; ++round) {
        log_.write_batch({"x"});
    }
    const std::uint64_t there = log_.next_sequence() - log_.log().tail_sequence();
    read(log_, log_.publish());
    EXPECT_EQ(taken().size(), there);
    EXPECT_EQ(count(counter::lost_lapped), log_.next_sequence() - begin - there);
}

TEST_F(peer_reader_test, drops_a_frame_older_than_the_ttl) {
    meet();
    log_.write_batch({"waited too long"});
    pass(ttl_ns + ms);
    show(log_.publish());  // keeps the bound on the delay small
    log_.feed(reader_, now_ns_, sink_);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 1U);
}

TEST_F(peer_reader_test, drops_what_was_written_by_a_write_that_hung) {
    meet();
    log_.write_batch({"hung"});
    const auto block = log_.publish({"hung inline"});  // encoded now ...
    for (int read_ms = 0; read_ms < 10'000; read_ms += 10) {
        now_ns_ += 10 * ms;  // ... ten seconds pass; nothing new is seen
        const read_times when{now_ns_, now_ns_ + 1};
        std::vector<std::byte> empty(block.size());
        EXPECT_NE(reader_.on_table(empty, when), news::beat);
    }
    read(log_, block);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 2U);
}

TEST_F(peer_reader_test, reads_again_what_is_damaged_and_gives_it_up_after_the_ttl) {
    meet();
    log_.write_batch({"a"});
    log_.write_batch({"b", "c"});
    log_.ring_byte(log_.last_position + 200) ^= std::byte{1};
    const auto block = log_.publish({"d"});
    read(log_, block);
    EXPECT_THAT(taken(), ElementsAre("a"));
    const std::uint64_t torn = count(counter::rejected_torn);
    EXPECT_GE(torn, 1U);
    now_ns_ += ttl_ns - ms;
    read(log_, block);
    EXPECT_EQ(count(counter::rejected_torn), torn + 1);
    EXPECT_EQ(reader_.frames_lost(), 0U);  // it may still be on its way
    now_ns_ += 2 * ms;
    read(log_, block);
    EXPECT_EQ(count(counter::lost_damaged), 2U);
    EXPECT_EQ(reader_.frames_lost(), 2U);
    // What comes afterwards is read.
    log_.skip_sequences(1);
    log_.clock_ns = now_ns_;
    read(log_, log_.publish());
    pass(ms);
    log_.write_batch({"e"});
    read(log_, log_.publish());
    EXPECT_THAT(taken(), ElementsAre("e"));
}

// A stretch of the ring was lost, and the writer goes on: its tail passes the reader again and
// again, each time onto another lost batch.
TEST_F(peer_reader_test, gives_damage_up_though_it_is_lapped_meanwhile) {
    meet();
    const test::peer_log lost = log_;
    bool is_through = false;
    for (int batch = 0; batch < 200 && !is_through; ++batch) {
        log_.write_batch({std::string(3000, 'x')});
        pass(10 * ms);
        show(log_.publish());
        lost.feed(reader_, now_ns_, sink_);  // nothing of it is in the ring
        is_through = count(counter::lost_damaged) != 0;
        ASSERT_TRUE(is_through || batch < 25 || count(counter::lost_lapped) > 0);
    }
    EXPECT_TRUE(is_through);
    log_.clock_ns = now_ns_;
    log_.write_batch({"after"});
    read(log_, log_.publish());
    EXPECT_THAT(taken(), ElementsAre("after"));
}

TEST_F(peer_reader_test, reads_damage_that_heals_in_time) {
    meet();
    log_.write_batch({"a"});
    log_.ring_byte(log_.last_position + 200) ^= std::byte{1};
    const auto block = log_.publish({"b"});
    read(log_, block);
    EXPECT_THAT(taken(), IsEmpty());
    log_.ring_byte(log_.last_position + 200) ^= std::byte{1};
    now_ns_ += 10 * ms;
    read(log_, block);
    EXPECT_THAT(taken(), ElementsAre("a", "b"));
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(peer_reader_test, counts_a_gap_that_the_writer_left) {
    meet();
    log_.skip_sequences(4);  // a write that failed
    log_.write_batch({"a"});
    log_.skip_sequences(3);
    read(log_, log_.publish({"b"}));
    EXPECT_THAT(taken(), ElementsAre("a", "b"));
    EXPECT_EQ(count(counter::lost_gap), 7U);
    EXPECT_EQ(reader_.frames_lost(), 7U);
}

TEST_F(peer_reader_test, refuses_a_batch_that_goes_beyond_what_is_announced) {
    // A write that failed and landed all the same, then a shorter one at the same place, lost.
    meet();
    test::peer_log failed = log_;
    failed.write_batch({std::string(5000, 'x')});
    log_.write_batch({"short"});
    ASSERT_GT(failed.log().head(), log_.log().head());
    const auto block = log_.publish();
    show(block);
    failed.feed(reader_, now_ns_, sink_);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_NE(reader_.next_sequence(), log_.next_sequence());
    now_ns_ += ttl_ns + ms;
    read(failed, block);
    EXPECT_EQ(count(counter::lost_damaged), 1U);
    pass(ttl_ns + ms);
    read(log_, log_.publish());
    pass(ms);
    read(log_, log_.publish({"after"}));
    EXPECT_THAT(taken(), ElementsAre("after"));
}

TEST_F(peer_reader_test, reads_a_long_batch_whole_after_a_read_that_cut_it) {
    meet();
    log_.write_batch({"a"});
    log_.write_batch({std::string(8000, 'x')});
    show(log_.publish());
    log_.feed(reader_, now_ns_, sink_, 8192);
    EXPECT_EQ(taken().size(), 2U);
    EXPECT_EQ(count(counter::rejected_truncated), 0U);
}

TEST_F(peer_reader_test, counts_no_error_for_a_slot_that_was_never_used) {
    const std::vector<std::byte> empty(volume_.measures.block_bytes);
    for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(show(empty), news::none);
    }
    EXPECT_EQ(count(counter::rejected_empty_block), 0U);
    meet();
    EXPECT_EQ(show(empty), news::rejected);
    EXPECT_EQ(count(counter::rejected_empty_block), 1U);
}

// A reader of a copy. We write a beat of our own each ms of the test's time.
class copy_reader_test : public peer_reader_test {
  protected:
    static constexpr std::uint64_t ours = 7;
    static constexpr std::uint64_t silence_ns = 1000 * ms;

    copy_reader_test() {
        beats_.begin(ours);
        reader_ = peer_reader({volume_.measures, volume_.cluster, 0, 1, ttl_ns, block_source::copy,
                               silence_ns, &beats_},
                              counts_);
    }
    // Time passes; we have written a beat at its end, which these lives hear at once.
    void pass_with_beat(std::uint64_t duration_ns, std::initializer_list<test::peer_log*> hear) {
        now_ns_ += duration_ns;
        beats_.on_encoded(++beat_, now_ns_);
        log_.clock_ns += duration_ns;
        for (test::peer_log* const each : hear) {
            each->acknowledged = {ours, 0, 0, beat_};
            each->clock_ns = log_.clock_ns;
        }
    }
    void meet_and_hear() {
        for (int beat = 0; beat < 3; ++beat) {
            pass_with_beat(ms, {&log_});
            show(log_.publish());
        }
    }
    // As they are now, for later.
    static std::vector<std::byte> kept(std::span<const std::byte> block) {
        return {block.begin(), block.end()};
    }

    beat_log beats_;
    std::uint64_t beat_ = 0;
};

TEST_F(copy_reader_test, delivers_what_is_young_by_its_echo) {
    meet_and_hear();
    pass_with_beat(10 * ms, {&log_});
    log_.write_batch({"a"});
    now_ns_ += 50 * ms;  // copied with that lag
    EXPECT_EQ(read(log_, log_.publish({"b"})), news::beat);
    EXPECT_THAT(taken(), ElementsAre("a", "b"));
}

TEST_F(copy_reader_test, delivers_nothing_without_an_echo_or_with_one_of_another_life) {
    for (const std::uint64_t life_named : {std::uint64_t{0}, ours + 1}) {
        for (int beat = 0; beat < 20; ++beat) {
            pass_with_beat(ms, {});
            log_.acknowledged = {life_named, 0, 0, beat_};
            read(log_, log_.publish({"x"}));
            log_.skip_sequences(1);
        }
    }
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 39U);
}

TEST_F(copy_reader_test, delivers_nothing_that_was_on_its_way_for_too_long) {
    meet_and_hear();
    for (int beat = 0; beat < 20; ++beat) {  // a constant lag shows in no difference of times
        pass_with_beat(10 * ms, {&log_});
        const auto block = kept(log_.publish({"old"}));
        log_.skip_sequences(1);
        now_ns_ += ttl_ns;
        log_.clock_ns += ttl_ns;
        read(log_, block);
    }
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(count(counter::dropped_expired_receive), 20U);
}

TEST_F(copy_reader_test, follows_a_new_life_as_soon_as_it_proves_to_be_newer) {
    meet_and_hear();
    auto reborn = life(200);
    pass_with_beat(ms, {});
    EXPECT_EQ(show(reborn.publish()), news::none);  // it has not heard us yet
    pass_with_beat(ms, {});
    EXPECT_EQ(show(reborn.publish()), news::rejected);
    EXPECT_EQ(reader_.incarnation(), 100U);
    pass_with_beat(ms, {&reborn});
    EXPECT_EQ(read(reborn, reborn.publish({"before"})), news::beat);
    EXPECT_EQ(reader_.incarnation(), 200U);
    EXPECT_THAT(taken(), IsEmpty());
    pass_with_beat(ms, {&reborn});
    reborn.skip_sequences(1);
    EXPECT_EQ(read(reborn, reborn.publish({"after"})), news::beat);
    EXPECT_THAT(taken(), ElementsAre("after"));
}

TEST_F(copy_reader_test,
       lets_no_former_life_come_after_its_successor_in_whatever_order_it_is_copied) {
    // Life 50 wrote these last, heard us, and was followed at once by life 100.
    auto former = life(50);
    pass_with_beat(ms, {&former});
    std::vector<std::vector<std::byte>> late;
    for (int block = 0; block < 3; ++block) {
        late.push_back(kept(former.publish({"late"})));
        former.skip_sequences(1);
    }
    meet_and_hear();
    for (const auto& block : late) {
        read(former, block);
    }
    EXPECT_EQ(reader_.incarnation(), 100U);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_GT(count(counter::rejected_stale), 0U);
    pass_with_beat(ms, {&log_});
    EXPECT_EQ(read(log_, log_.publish({"present"})), news::beat);
    EXPECT_THAT(taken(), ElementsAre("present"));
}

TEST_F(copy_reader_test, comes_back_to_the_living_after_a_replayed_past) {
    auto ghost = life(50);
    pass_with_beat(ms, {&ghost});
    meet_and_hear();
    // The present life is not seen for long; a snapshot from the past is put back and replayed.
    for (std::uint64_t passed_ns = 0; passed_ns <= 2 * silence_ns; passed_ns += 100 * ms) {
        pass_with_beat(100 * ms, {&log_});
        read(ghost, ghost.publish({"ghost"}));
        ghost.skip_sequences(1);
    }
    EXPECT_EQ(reader_.incarnation(), 50U);  // something beats there
    EXPECT_THAT(taken(), IsEmpty());        // but nothing of it is delivered
    pass_with_beat(ms, {&log_});
    EXPECT_EQ(read(log_, log_.publish()), news::beat);
    EXPECT_EQ(reader_.incarnation(), 100U);
    pass_with_beat(ms, {&log_});
    read(log_, log_.publish({"alive"}));
    EXPECT_THAT(taken(), ElementsAre("alive"));
    read(ghost, ghost.publish({"ghost"}));
    EXPECT_EQ(reader_.incarnation(), 100U);
    EXPECT_THAT(taken(), IsEmpty());
}

TEST_F(copy_reader_test, follows_a_new_life_that_cannot_hear_us_but_delivers_nothing_of_it) {
    meet_and_hear();
    auto reborn = life(200);
    for (std::uint64_t passed_ns = 0; passed_ns <= 2 * silence_ns; passed_ns += 100 * ms) {
        pass_with_beat(100 * ms, {});
        reborn.clock_ns += 100 * ms;
        read(reborn, reborn.publish({"x"}));
        reborn.skip_sequences(1);
    }
    EXPECT_EQ(reader_.incarnation(), 200U);
    EXPECT_THAT(taken(), IsEmpty());
    pass_with_beat(ms, {&reborn});
    read(reborn, reborn.publish({"heard"}));
    EXPECT_THAT(taken(), ElementsAre("heard"));
}

TEST_F(copy_reader_test, waits_for_a_batch_that_comes_after_the_block_that_announces_it) {
    meet_and_hear();
    const test::peer_log before = log_;
    pass_with_beat(ms, {&log_});
    log_.write_batch({"a"});
    const auto block = log_.publish({"b"});
    show(block);
    before.feed(reader_, now_ns_, sink_);  // the ring is as it was
    EXPECT_THAT(taken(), IsEmpty());
    now_ns_ += 20 * ms;
    EXPECT_EQ(read(log_, block), news::none);
    EXPECT_THAT(taken(), ElementsAre("a", "b"));
    EXPECT_EQ(reader_.frames_lost(), 0U);
}

TEST_F(copy_reader_test, takes_its_own_blocks_and_those_of_other_slots_for_misplaced) {
    meet_and_hear();
    test::peer_log mine(volume_, 0, ours);
    EXPECT_EQ(show(mine.publish({"mine"})), news::rejected);
    EXPECT_EQ(count(counter::rejected_misplaced), 1U);
    auto other = volume_;
    other.cluster[0] ^= 0xff;
    test::peer_log swapped(other, 1, 100);  // the volume has become a copy of another one
    EXPECT_EQ(show(swapped.publish({"swapped"})), news::rejected);
    EXPECT_EQ(count(counter::rejected_foreign), 1U);
    EXPECT_THAT(taken(), IsEmpty());
}

}  // namespace
}  // namespace diskhb::ring
