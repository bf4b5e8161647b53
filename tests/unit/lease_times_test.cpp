// SPDX-License-Identifier: BSD-3-Clause
// The time-lines of doc/timeouts.md, run: leases of a few nodes on a volume in memory, on virtual
// time. Whether it is safe is asked by tests/sim/quorum; here it is how long things take.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "plugin/quorum/lease.hpp"

namespace diskhb::quorum {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t io_ns = 10 * ms;
const format::uuid cluster_uuid{1};

milliseconds sum(std::initializer_list<milliseconds> parts) {
    milliseconds all(0);
    for (const auto each : parts) {
        all += each;
    }
    return all;
}

class small_cluster {
  public:
    explicit small_cluster(unsigned nodes, const timings& times = {})
        : measures_(*format::make_geometry(4096, 16, 256 * 1024, 16 << 20)),
          table_(measures_.table_bytes()),
          nodes_(nodes),
          times_(times) {
        times_.detection = milliseconds(6600);
        times_ = complete(times_);
        for (unsigned index = 0; index < nodes; ++index) {
            start(index);
        }
    }

    const timings& times() const { return times_; }
    milliseconds now() const { return milliseconds(now_ns_ / ms); }
    lease& at(unsigned index) { return *nodes_[index].decides; }

    // A daemon with a new life, in the ring that its Corosync is in.
    void start(unsigned index) {
        node& each = nodes_[index];
        lease_options options;
        options.slot = static_cast<slot_index>(index);
        options.slots = measures_.slots;
        options.incarnation = ++incarnations_;
        options.times = times_;
        const ring_id ring = each.ring;
        const slot_set members = each.members;
        each = {};
        each.decides = std::make_unique<lease>(options);
        each.reader = std::make_unique<table_reader>(measures_, cluster_uuid);
        step(index, time_has_passed{});
        if (ring.known()) {
            tell_ring(index, ring, members, false);
        }
    }
    void kill(unsigned index) { nodes_[index].decides.reset(); }
    void hang_disk(unsigned index, bool is_hung) { nodes_[index].disk_hangs = is_hung; }
    void stop(unsigned index) { step(index, stop_was_asked{}); }

    // Corosync's new membership of these nodes.
    void form_ring(const std::vector<unsigned>& members, bool is_waiting) {
        slot_set slots;
        for (const unsigned index : members) {
            slots.set(static_cast<slot_index>(index));
        }
        const ring_id ring{members.front() + 1U, ++rings_};
        for (const unsigned index : members) {
            nodes_[index].ring = ring;
            nodes_[index].members = slots;
            if (nodes_[index].decides) {
                tell_ring(index, ring, slots, is_waiting);
            }
        }
    }

    bool votes(unsigned index) const {
        return nodes_[index].decides &&
               nodes_[index].decides->vote().vote == format::vote_state::yes &&
               now_ns_ < nodes_[index].decides->vote().valid_until_ns;
    }
    bool says_no(unsigned index) const {
        return nodes_[index].decides->vote().vote == format::vote_state::no;
    }

    void run(milliseconds duration) {
        run_until(duration, [] { return false; });
    }
    // How long it took until that came true; nothing if it did not within that time.
    template <class Condition>
    std::optional<milliseconds> run_until(milliseconds limit, Condition holds) {
        const milliseconds begin = now();
        while (now() < begin + limit) {
            if (holds()) {
                return now() - begin;
            }
            tick();
        }
        return std::nullopt;
    }

  private:
    struct node {
        std::unique_ptr<lease> decides;
        std::unique_ptr<table_reader> reader;
        ring_id ring;
        slot_set members;
        bool disk_hangs = false;
        std::optional<format::quorum_block> writing;
        bool reading = false;
        std::uint64_t issued_ns = 0;
        std::uint64_t wake_ns = 0;
        std::uint64_t answered = 0;  // generation of the last poll
    };

    void tell_ring(unsigned index, const ring_id& ring, const slot_set& members, bool is_waiting) {
        step(index, ring_has_changed{ring, members, is_waiting});
    }

    void tick() {
        now_ns_ += 5 * ms;
        for (unsigned index = 0; index < nodes_.size(); ++index) {
            node& each = nodes_[index];
            if (!each.decides) {
                continue;
            }
            const bool is_done = !each.disk_hangs && now_ns_ >= each.issued_ns + io_ns;
            if (each.writing && is_done) {
                const auto content = *std::exchange(each.writing, std::nullopt);
                const std::size_t at = (content.node_id - 1) * std::size_t{measures_.block_bytes};
                format::encode_quorum(std::span(table_).subspan(at, measures_.block_bytes),
                                      measures_, cluster_uuid, content);
                step(index, volume_was_written{0, true});
            } else if (each.reading && is_done) {
                each.reading = false;
                step(index, volume_was_read{0, each.issued_ns, each.reader->read(table_)});
            }
            if (now_ns_ >= each.wake_ns) {
                step(index, time_has_passed{});
            }
            const vote_order& vote = each.decides->vote();
            if (vote.generation != each.answered && vote.vote != format::vote_state::undecided) {
                each.answered = vote.generation;
                step(index, poll_was_accepted{vote.generation});
            }
        }
    }

    void step(unsigned index, const lease_input& input) {
        node& each = nodes_[index];
        const lease_actions& actions = each.decides->step(input, now_ns_);
        if (!actions.writes.empty() || !actions.reads.empty()) {
            each.issued_ns = now_ns_;
        }
        if (!actions.writes.empty()) {
            each.writing = each.decides->block();
        }
        each.reading = each.reading || !actions.reads.empty();
        each.wake_ns = actions.wake_ns;
    }

    format::geometry measures_;
    std::vector<std::byte> table_;
    std::vector<node> nodes_;
    timings times_;
    std::uint64_t now_ns_ = 1000 * ms;
    std::uint64_t incarnations_ = 0;
    std::uint64_t rings_ = 0;
};

// All nodes in one ring, and all vote.
class lease_times : public testing::TestWithParam<unsigned> {
  protected:
    void SetUp() override {
        cluster_ = std::make_unique<small_cluster>(GetParam());
        for (unsigned index = 0; index < GetParam(); ++index) {
            all_.push_back(index);
        }
        cluster_->form_ring(all_, false);
        ASSERT_TRUE(cluster_->run_until(milliseconds(30000), [this] { return all_vote(); }));
        cluster_->run(milliseconds(5000));
    }
    bool all_vote() const {
        for (const unsigned index : all_) {
            if (!cluster_->votes(index)) {
                return false;
            }
        }
        return true;
    }
    milliseconds decision() const {
        return cluster_->times().margin + 2 * cluster_->times().interval;
    }
    unsigned holder() { return *cluster_->at(all_.front()).holder(now_ns()); }
    std::uint64_t now_ns() const {
        return static_cast<std::uint64_t>(cluster_->now().count()) * ms;
    }
    // Lets time pass and returns how long the node was without vote meanwhile.
    milliseconds voteless(unsigned index, milliseconds duration) {
        milliseconds without(0);
        const auto step = milliseconds(5);
        for (milliseconds passed(0); passed < duration; passed += step) {
            cluster_->run(step);
            without += cluster_->votes(index) ? milliseconds(0) : step;
        }
        return without;
    }

    std::unique_ptr<small_cluster> cluster_;
    std::vector<unsigned> all_;
};
INSTANTIATE_TEST_SUITE_P(of_two_and_four, lease_times, testing::Values(2U, 4U));

std::vector<unsigned> without(std::vector<unsigned> nodes, unsigned one) {
    std::erase(nodes, one);
    return nodes;
}

TEST_P(lease_times, pass_on_the_vote_after_a_death_within_the_bound) {
    const timings& times = cluster_->times();
    const unsigned dead = holder();
    const auto alive = without(all_, dead);
    cluster_->kill(dead);
    cluster_->run(times.detection);
    cluster_->form_ring(alive, true);
    const auto took = cluster_->run_until(times.sync_timeout, [&] {
        return cluster_->votes(alive.front()) && cluster_->votes(alive.back());
    });
    ASSERT_TRUE(took);
    EXPECT_GE(times.detection + *took, times.take);
    EXPECT_LE(times.detection + *took, recovery_max(times));
}

// Nobody is waited for, so that all that is left are the steps of a ballot.
TEST_P(lease_times, keep_the_bound_when_corosync_is_slower_than_take) {
    timings quick;
    quick.interval = milliseconds(100);
    quick.drop = milliseconds(1000);
    quick.settle = milliseconds(300);
    quick.device_timeout = milliseconds(1000);
    cluster_ = std::make_unique<small_cluster>(GetParam(), quick);
    cluster_->form_ring(all_, false);
    ASSERT_TRUE(cluster_->run_until(milliseconds(30000), [this] { return all_vote(); }));
    const timings& times = cluster_->times();
    ASSERT_LT(times.take, times.detection);
    const unsigned dead = holder();
    const auto alive = without(all_, dead);
    cluster_->kill(dead);
    cluster_->run(times.detection);
    cluster_->form_ring(alive, true);
    const auto took = cluster_->run_until(times.sync_timeout, [&] {
        return cluster_->votes(alive.front()) && cluster_->votes(alive.back());
    });
    ASSERT_TRUE(took);
    EXPECT_LE(times.detection + *took, recovery_max(times));
}

TEST_P(lease_times, show_no_gap_when_the_daemon_of_the_holder_dies) {
    const timings& times = cluster_->times();
    const unsigned dead = holder();
    const auto alive = without(all_, dead);
    cluster_->kill(dead);
    const milliseconds gap = voteless(alive.back(), times.detection);
    EXPECT_EQ(gap.count(), 0);
    EXPECT_NE(*cluster_->at(alive.front()).holder(now_ns()), dead);
}

TEST_P(lease_times, let_a_started_daemon_vote_after_the_watch_over_its_slot) {
    const timings& times = cluster_->times();
    const unsigned dead = without(all_, holder()).front();
    cluster_->kill(dead);
    cluster_->run(milliseconds(1000));
    cluster_->start(dead);
    const auto took =
        cluster_->run_until(milliseconds(30000), [&] { return cluster_->votes(dead); });
    ASSERT_TRUE(took);
    EXPECT_GE(*took, times.drop);
    EXPECT_LE(*took, sum({times.drop, 4 * times.interval}));
}

TEST_P(lease_times, carry_the_vote_over_a_short_hang_of_a_disk) {
    const timings& times = cluster_->times();
    for (const unsigned index : {holder(), without(all_, holder()).front()}) {
        for (milliseconds phase(0); phase < times.interval; phase += milliseconds(50)) {
            cluster_->run(milliseconds(2000) + phase);
            cluster_->hang_disk(index, true);
            cluster_->run(times.drop - 4 * times.interval);
            cluster_->hang_disk(index, false);
            EXPECT_EQ(voteless(index, 2 * times.drop).count(), 0) << index << " " << phase.count();
        }
    }
}

TEST_P(lease_times, end_the_vote_of_a_node_whose_disk_hangs) {
    const timings& times = cluster_->times();
    const unsigned index = holder();
    cluster_->hang_disk(index, true);
    const auto took =
        cluster_->run_until(milliseconds(10000), [&] { return cluster_->says_no(index); });
    ASSERT_TRUE(took);
    EXPECT_LE(*took, times.drop);
}

TEST_P(lease_times, decide_between_two_halves_without_waiting_for_take) {
    if (GetParam() != 4) {
        return;
    }
    const timings& times = cluster_->times();
    cluster_->form_ring({0, 1}, true);
    cluster_->run(milliseconds(150));
    cluster_->form_ring({2, 3}, true);
    const auto won = cluster_->run_until(times.sync_timeout, [&] {
        return cluster_->votes(0) && cluster_->votes(1) && cluster_->says_no(2) &&
               cluster_->says_no(3);
    });
    ASSERT_TRUE(won);
    EXPECT_LE(*won, sum({2 * times.settle, decision(), times.interval}));
}

TEST_P(lease_times, pass_on_the_vote_of_a_node_that_was_stopped) {
    const timings& times = cluster_->times();
    const unsigned gone = holder();
    const auto left = without(all_, gone);
    cluster_->stop(gone);
    EXPECT_LE(voteless(left.back(), 2 * times.drop), times.margin);
    cluster_->form_ring(left, true);
    const auto took = cluster_->run_until(times.sync_timeout, [&] {
        return cluster_->votes(left.front()) && cluster_->votes(left.back());
    });
    ASSERT_TRUE(took);
    EXPECT_LE(*took, sum({times.settle, decision(), times.interval}));
}

TEST_P(lease_times, get_the_vote_back_when_the_volume_is_back) {
    const timings& times = cluster_->times();
    for (const unsigned index : all_) {
        cluster_->hang_disk(index, true);
    }
    cluster_->run(milliseconds(8000));
    for (const unsigned index : all_) {
        EXPECT_TRUE(cluster_->says_no(index));
        cluster_->hang_disk(index, false);
    }
    const auto took = cluster_->run_until(milliseconds(60000), [this] { return all_vote(); });
    ASSERT_TRUE(took);
    EXPECT_LE(*took, sum({times.settle, decision(), times.interval}));
}

}  // namespace
}  // namespace diskhb::quorum
