// SPDX-License-Identifier: BSD-3-Clause
// That the simulated device does what the fault tests rely on.
#include "io/sim_device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

namespace diskhb::io {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t page_bytes = 4096;
constexpr std::uint64_t volume_bytes = 64 * page_bytes;

// One volume, two nodes.
class sim_device_on : public testing::Test {
  protected:
    sim_clock clock;
    std::shared_ptr<sim_volume> volume = std::make_shared<sim_volume>(clock, volume_bytes);
    std::shared_ptr<sim_port> writer = std::make_shared<sim_port>(volume, 1);
    std::shared_ptr<sim_port> reader = std::make_shared<sim_port>(volume, 2);
    std::unique_ptr<channel> writing = make(writer);
    std::unique_ptr<channel> reading = make(reader);
    aligned_buffer written{4 * page_bytes};
    aligned_buffer read{4 * page_bytes};

    static std::unique_ptr<channel> make(const std::shared_ptr<sim_port>& port) {
        return (*sim_source(port).open())->make_channel(4);
    }

    static int run(channel& on, operation what, std::uint64_t offset, std::span<std::byte> buffer) {
        const auto error = transfer(on, {what, offset, buffer, 1}, 5s);
        return error.value();
    }

    int write_all(int value, std::uint64_t offset = 0, std::size_t bytes = page_bytes) {
        const auto buffer = written.span().first(bytes);
        std::ranges::fill(buffer, static_cast<std::byte>(value));
        return run(*writing, operation::write, offset, buffer);
    }

    // The set of values that a read of one page shows.
    std::set<int> values(std::uint64_t offset = 0) {
        const auto buffer = read.span().first(page_bytes);
        EXPECT_EQ(run(*reading, operation::read, offset, buffer), 0);
        std::set<int> found;
        for (const std::byte each : buffer) {
            found.insert(std::to_integer<int>(each));
        }
        return found;
    }

    static bool has_completion(channel& on) {
        std::array<completion, 1> done{};
        return on.reap(done) == 1;
    }
};

TEST_F(sim_device_on, shows_one_node_what_another_wrote) {
    EXPECT_EQ(write_all(7, 3 * page_bytes), 0);
    EXPECT_EQ(values(3 * page_bytes), std::set<int>{7});
    EXPECT_EQ(values(2 * page_bytes), std::set<int>{0});
}

TEST_F(sim_device_on, ends_requests_only_when_virtual_time_has_passed) {
    const std::uint64_t start_ns = clock.now_ns();
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    EXPECT_FALSE(has_completion(*writing));
    const std::uint64_t end_ns = volume->next_event_ns();
    EXPECT_GT(end_ns, start_ns);
    clock.advance_to(end_ns - 1);
    EXPECT_FALSE(has_completion(*writing));
    clock.advance_to(end_ns);
    EXPECT_TRUE(has_completion(*writing));
    EXPECT_EQ(volume->next_event_ns(), sim_never_ns);
}

TEST_F(sim_device_on, applies_a_write_in_time_even_if_its_writer_does_not_look) {
    std::ranges::fill(written.span(), std::byte{9});
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    clock.advance_to(volume->next_event_ns());
    EXPECT_EQ(values(), std::set<int>{9});
    EXPECT_TRUE(has_completion(*writing));
}

TEST_F(sim_device_on, ends_requests_in_flight_in_any_order) {
    std::set<std::vector<std::uint64_t>> orders;
    for (int round = 0; round < 50; ++round) {
        for (std::uint64_t tag = 0; tag < 3; ++tag) {
            reading->submit(
                {operation::read, 0, read.span().subspan(tag * page_bytes, page_bytes), tag});
        }
        std::vector<std::uint64_t> order;
        while (order.size() < 3) {
            reading->wait(1s);
            std::array<completion, 4> done{};
            const std::size_t count = reading->reap(done);
            for (std::size_t i = 0; i < count; ++i) {
                order.push_back(done[i].tag);
            }
        }
        orders.insert(order);
    }
    EXPECT_EQ(orders.size(), 6U);
}

TEST_F(sim_device_on, mixes_old_and_new_pieces_under_a_write_in_flight) {
    write_all(1);
    writer->set_latency({.write_ns_min = 10'000'000, .write_ns_max = 10'000'000});
    std::ranges::fill(written.span(), std::byte{2});
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    clock.advance_to(clock.now_ns() + 5'000'000);
    EXPECT_EQ(values(), (std::set<int>{1, 2}));
    for (std::size_t at = 0; at < page_bytes; at += sim_piece_bytes) {
        EXPECT_EQ(read.span()[at], read.span()[at + sim_piece_bytes - 1]);
    }
    clock.advance_to(clock.now_ns() + 10'000'000);
    EXPECT_EQ(values(), std::set<int>{2});
}

TEST_F(sim_device_on, fails_reads_and_writes) {
    write_all(1);
    reader->set_rate(sim_fault::read_error, 1);
    EXPECT_EQ(run(*reading, operation::read, 0, read.span()), EIO);
    EXPECT_EQ(reader->count(sim_fault::read_error), 1U);
    reader->set_all_rates(0);
    writer->set_rate(sim_fault::write_error, 1);
    EXPECT_EQ(write_all(2), EIO);
    EXPECT_EQ(writer->count(sim_fault::write_error), 1U);
    EXPECT_EQ(values(), values());
}

TEST_F(sim_device_on, leaves_a_failed_write_undone_done_or_half_done) {
    std::set<std::set<int>> outcomes;
    for (int round = 0; round < 30; ++round) {
        writer->set_all_rates(0);
        write_all(1);
        writer->set_rate(sim_fault::write_error, 1);
        write_all(2);
        outcomes.insert(values());
    }
    EXPECT_EQ(outcomes, (std::set<std::set<int>>{{1}, {2}, {1, 2}}));
}

TEST_F(sim_device_on, loses_writes) {
    write_all(1);
    writer->set_rate(sim_fault::lost, 1);
    EXPECT_EQ(write_all(2), 0);
    EXPECT_EQ(values(), std::set<int>{1});
    EXPECT_EQ(writer->count(sim_fault::lost), 1U);
}

TEST_F(sim_device_on, tears_writes) {
    write_all(1);
    writer->set_rate(sim_fault::torn, 1);
    EXPECT_EQ(write_all(2), 0);
    EXPECT_EQ(values(), (std::set<int>{1, 2}));
    EXPECT_EQ(writer->count(sim_fault::torn), 1U);
}

TEST_F(sim_device_on, misdirects_writes_to_whole_blocks_elsewhere) {
    writer->set_rate(sim_fault::misdirected, 1);
    for (int value = 1; value <= 5; ++value) {
        EXPECT_EQ(write_all(value, 0), 0);
    }
    EXPECT_EQ(writer->count(sim_fault::misdirected), 5U);
    std::size_t elsewhere = 0;
    for (std::uint64_t offset = page_bytes; offset < volume_bytes; offset += page_bytes) {
        const auto found = values(offset);
        EXPECT_EQ(found.size(), 1U);
        elsewhere += found == std::set<int>{0} ? 0 : 1;
    }
    EXPECT_GT(elsewhere, 0U);
}

TEST_F(sim_device_on, reads_stale_blocks) {
    for (int value = 1; value <= 5; ++value) {
        write_all(value);
    }
    reader->set_rate(sim_fault::stale, 1);
    std::set<int> found;
    for (int round = 0; round < 50; ++round) {
        found.merge(values());
    }
    EXPECT_EQ(found, (std::set<int>{3, 4, 5}));
}

TEST_F(sim_device_on, flips_one_bit_of_a_read) {
    reader->set_rate(sim_fault::bit_flip, 1);
    EXPECT_EQ(run(*reading, operation::read, 0, read.span()), 0);
    int bits = 0;
    for (const std::byte each : read.span()) {
        bits += __builtin_popcount(std::to_integer<unsigned>(each));
    }
    EXPECT_EQ(bits, 1);
    EXPECT_EQ(reader->count(sim_fault::bit_flip), 1U);
    reader->set_all_rates(0);
    EXPECT_EQ(values(), std::set<int>{0});
}

TEST_F(sim_device_on, slows_requests_down) {
    reader->set_rate(sim_fault::slow, 1);
    std::uint64_t longest_ns = 0;
    for (int round = 0; round < 20; ++round) {
        const std::uint64_t start_ns = clock.now_ns();
        values();
        longest_ns = std::max(longest_ns, clock.now_ns() - start_ns);
    }
    EXPECT_GT(longest_ns, 50'000'000U);
    EXPECT_EQ(reader->count(sim_fault::slow), 20U);
}

TEST_F(sim_device_on, hangs_until_it_is_released) {
    std::ranges::fill(written.span(), std::byte{3});
    writer->set_rate(sim_fault::hang, 1);
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    clock.advance_to(clock.now_ns() + 60'000'000'000);
    EXPECT_FALSE(has_completion(*writing));
    EXPECT_EQ(volume->next_event_ns(), sim_never_ns);
    writer->release_hanging(1000);
    clock.advance_to(clock.now_ns() + 1000);
    EXPECT_TRUE(has_completion(*writing));
    EXPECT_EQ(values(), std::set<int>{3});
}

TEST_F(sim_device_on, hangs_with_what_is_in_flight_when_the_port_does) {
    reading->submit({operation::read, 0, read.span().first(page_bytes), 5});
    reader->set_hanging(true);
    clock.advance_to(clock.now_ns() + 60'000'000'000);
    EXPECT_FALSE(has_completion(*reading));
    EXPECT_EQ(write_all(4), 0);  // the other node's path is its own
    reader->set_hanging(false);
    clock.advance_to(clock.now_ns() + 10'000'000);
    EXPECT_TRUE(has_completion(*reading));
    EXPECT_EQ(values(), std::set<int>{4});
}

TEST_F(sim_device_on, rolls_the_volume_back) {
    write_all(1);
    const auto earlier = volume->snapshot();
    write_all(2);
    volume->restore(earlier);
    EXPECT_EQ(values(), std::set<int>{1});
}

TEST_F(sim_device_on, lands_a_write_whose_channel_is_gone) {
    std::ranges::fill(written.span(), std::byte{6});
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    writing.reset();
    writer.reset();
    std::ranges::fill(written.span(), std::byte{0});
    clock.advance_to(volume->next_event_ns());
    EXPECT_EQ(values(), std::set<int>{6});
}

TEST_F(sim_device_on, counts_broken_contracts) {
    EXPECT_EQ(run(*reading, operation::read, 512, read.span()), EINVAL);
    EXPECT_EQ(run(*reading, operation::read, volume_bytes, read.span()), EIO);
    EXPECT_EQ(reader->misuses(), 2U);
    writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    written.span()[0] = std::byte{1};
    clock.advance_to(volume->next_event_ns());
    EXPECT_TRUE(has_completion(*writing));
    EXPECT_EQ(writer->misuses(), 1U);
    for (int i = 0; i < 5; ++i) {
        writing->submit({operation::write, 0, written.span().first(page_bytes), 5});
    }
    EXPECT_EQ(writer->misuses(), 2U);
}

TEST_F(sim_device_on, can_fail_to_open) {
    reader->set_open_error(ENXIO);
    EXPECT_EQ(sim_source(reader).open().error().value(), ENXIO);
    reader->set_open_error(0);
    EXPECT_TRUE(sim_source(reader).open());
}

TEST(sim_device, gives_the_same_run_for_the_same_seed) {
    const auto run = [](std::uint64_t seed) {
        sim_clock clock;
        auto volume = std::make_shared<sim_volume>(clock, volume_bytes);
        auto port = std::make_shared<sim_port>(volume, seed);
        port->set_all_rates(0.1);
        port->set_rate(sim_fault::hang, 0);
        auto on = (*sim_source(port).open())->make_channel(1);
        aligned_buffer buffer(page_bytes);
        std::vector<std::uint64_t> story;
        for (std::uint64_t i = 0; i < 200; ++i) {
            std::ranges::fill(buffer.span(), static_cast<std::byte>(i));
            const auto what = i % 2 == 0 ? operation::write : operation::read;
            const auto error = transfer(*on, {what, i % 8 * page_bytes, buffer.span(), i}, 5s);
            story.push_back(clock.now_ns());
            story.push_back(static_cast<std::uint64_t>(error.value()));
            for (const std::byte each : buffer.span()) {
                story.back() = mix(story.back() + std::to_integer<std::uint64_t>(each));
            }
        }
        return story;
    };
    EXPECT_EQ(run(42), run(42));
    EXPECT_NE(run(42), run(43));
}

}  // namespace
}  // namespace diskhb::io
