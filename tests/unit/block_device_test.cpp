// SPDX-License-Identifier: BSD-3-Clause
// The real back ends, each on tmpfs and on a file of the disk.
#include "io/block_device.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

namespace diskhb::io {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t file_bytes = 1 << 20;
constexpr std::size_t page_bytes = 4096;

struct variant {
    const char* name;
    const char* folder;
    backend how;
};

class block_device_on : public testing::TestWithParam<variant> {
  protected:
    void SetUp() override {
        std::string path = std::string(GetParam().folder) + "/diskhb-unit-XXXXXX";
        const int fd = mkstemp(path.data());
        ASSERT_GE(fd, 0);
        path_ = path;
        ASSERT_EQ(ftruncate(fd, file_bytes), 0);
        close(fd);
        auto opened = path_source(path_, path_source::access::read_write, GetParam().how).open();
        ASSERT_TRUE(opened) << opened.error().message();
        device_ = std::move(*opened);
        channel_ = device_->make_channel(4);
    }
    void TearDown() override { std::filesystem::remove(path_); }

    int run(operation what, std::uint64_t offset, std::span<std::byte> buffer) {
        channel_->submit({what, offset, buffer, 77});
        std::array<completion, 4> done{};
        std::size_t count = 0;
        const auto deadline = clock::now() + 5s;
        while ((count = channel_->reap(done)) == 0 && clock::now() < deadline) {
            channel_->wait(1s);
        }
        EXPECT_EQ(count, 1U);
        EXPECT_EQ(done[0].tag, 77U);
        return done[0].error;
    }

    std::string path_;
    std::unique_ptr<block_device> device_;
    std::unique_ptr<channel> channel_;
};

TEST_P(block_device_on, knows_its_size_and_a_block_size_that_is_a_power_of_two) {
    EXPECT_EQ(device_->size_bytes(), file_bytes);
    EXPECT_GE(device_->block_bytes(), 512U);
    EXPECT_LE(device_->block_bytes(), page_bytes);
    EXPECT_EQ(device_->block_bytes() & (device_->block_bytes() - 1), 0U);
}

TEST_P(block_device_on, reads_back_what_was_written) {
    aligned_buffer written(2 * page_bytes);
    aligned_buffer read(2 * page_bytes);
    for (std::size_t i = 0; i < written.size(); ++i) {
        written.span()[i] = static_cast<std::byte>(i * 7 + i / page_bytes);
    }
    EXPECT_EQ(run(operation::write, 3 * page_bytes, written.span()), 0);
    EXPECT_EQ(run(operation::read, 3 * page_bytes, read.span()), 0);
    EXPECT_TRUE(std::ranges::equal(written.span(), read.span()));
}

TEST_P(block_device_on, keeps_several_requests_in_flight_apart) {
    aligned_buffer buffer(4 * page_bytes);
    for (std::size_t i = 0; i < 4; ++i) {
        const auto page = buffer.span().subspan(i * page_bytes, page_bytes);
        std::ranges::fill(page, static_cast<std::byte>(i + 1));
        channel_->submit({operation::write, i * page_bytes, page, 100 + i});
    }
    std::array<completion, 4> done{};
    std::size_t count = 0;
    while (count < 4) {
        channel_->wait(1s);
        const std::size_t more = channel_->reap(std::span(done).subspan(count));
        ASSERT_GT(more, 0U);
        count += more;
    }
    std::ranges::sort(done, {}, &completion::tag);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(done[i].tag, 100 + i);
        EXPECT_EQ(done[i].error, 0);
        EXPECT_EQ(run(operation::read, i * page_bytes, buffer.span().first(page_bytes)), 0);
        EXPECT_EQ(buffer.span()[0], static_cast<std::byte>(i + 1));
    }
}

TEST_P(block_device_on, hands_out_completions_no_faster_than_they_are_asked_for) {
    aligned_buffer buffer(2 * page_bytes);
    channel_->submit({operation::read, 0, buffer.span().first(page_bytes), 1});
    channel_->submit({operation::read, 0, buffer.span().last(page_bytes), 2});
    std::array<completion, 1> first{};
    std::array<completion, 1> second{};
    while (channel_->reap(first) == 0) {
        channel_->wait(1s);
    }
    while (channel_->reap(second) == 0) {
        channel_->wait(1s);
    }
    EXPECT_EQ(first[0].tag + second[0].tag, 3U);
    EXPECT_EQ(channel_->reap(first), 0U);
}

TEST_P(block_device_on, refuses_what_is_not_aligned) {
    aligned_buffer buffer(2 * page_bytes);
    const std::size_t half = device_->block_bytes() / 2;
    EXPECT_EQ(run(operation::write, half, buffer.span().first(page_bytes)), EINVAL);
    EXPECT_EQ(run(operation::write, 0, buffer.span().first(half)), EINVAL);
    EXPECT_EQ(run(operation::read, 0, buffer.span().subspan(half, page_bytes)), EINVAL);
    EXPECT_EQ(run(operation::read, 0, buffer.span().first(0)), EINVAL);
    EXPECT_EQ(run(operation::read, 0, buffer.span()), 0);
}

TEST_P(block_device_on, reports_a_read_past_the_end_as_an_io_error) {
    aligned_buffer buffer(2 * page_bytes);
    EXPECT_EQ(run(operation::read, file_bytes - page_bytes, buffer.span()), EIO);
    EXPECT_EQ(run(operation::read, file_bytes, buffer.span()), EIO);
    EXPECT_EQ(run(operation::read, file_bytes - page_bytes, buffer.span().first(page_bytes)), 0);
}

TEST_P(block_device_on, waits_no_longer_than_its_timeout) {
    const auto start = clock::now();
    channel_->wait(5ms);
    EXPECT_GE(clock::now() - start, 5ms);
    EXPECT_LT(clock::now() - start, 2s);
    channel_->wait(0ns);
    channel_->wait(-1ns);
}

TEST_P(block_device_on, returns_at_once_when_it_was_woken_before_the_wait) {
    channel_->wake();
    channel_->wake();
    const auto start = clock::now();
    channel_->wait(30s);
    EXPECT_LT(clock::now() - start, 10s);
    // Both wakes came before that return, so nothing is left of them.
    const auto again = clock::now();
    channel_->wait(5ms);
    EXPECT_GE(clock::now() - again, 5ms);
}

TEST_P(block_device_on, loses_no_wake_of_another_thread) {
    constexpr int rounds = 2000;
    std::atomic<int> seen{0};
    std::atomic<int> sent{0};
    std::jthread waker([&] {
        for (int i = 1; i <= rounds; ++i) {
            sent.store(i);
            channel_->wake();
            while (seen.load() < i) {
                std::this_thread::yield();
            }
        }
    });
    const auto start = clock::now();
    while (seen.load() < rounds && clock::now() - start < 20s) {
        channel_->wait(30s);
        seen.store(sent.load());
    }
    EXPECT_EQ(seen.load(), rounds);
    EXPECT_LT(clock::now() - start, 20s);
}

TEST_P(block_device_on, returns_at_once_while_a_completion_is_there) {
    aligned_buffer buffer(page_bytes);
    channel_->submit({operation::read, 0, buffer.span(), 5});
    const auto start = clock::now();
    channel_->wait(30s);
    channel_->wait(30s);
    EXPECT_LT(clock::now() - start, 20s);
    std::array<completion, 1> done{};
    EXPECT_EQ(channel_->reap(done), 1U);
}

TEST_P(block_device_on, channel_outlives_its_device) {
    device_.reset();
    aligned_buffer buffer(page_bytes);
    EXPECT_EQ(run(operation::read, 0, buffer.span()), 0);
}

TEST_P(block_device_on, may_be_used_first_by_another_thread_than_its_maker) {
    int error = -1;
    std::jthread([&] {
        aligned_buffer buffer(page_bytes);
        error = run(operation::read, 0, buffer.span());
    }).join();
    EXPECT_EQ(error, 0);
}

TEST_P(block_device_on, can_be_destroyed_with_requests_in_flight) {
    // Static, since the kernel may still fill it after the channel is gone.
    static aligned_buffer buffer(4 * page_bytes);
    for (std::size_t i = 0; i < 4; ++i) {
        channel_->submit(
            {operation::read, 0, buffer.span().subspan(i * page_bytes, page_bytes), i});
    }
    channel_.reset();
}

TEST_P(block_device_on, transfers_from_start_to_end) {
    aligned_buffer buffer(page_bytes);
    EXPECT_FALSE(transfer(*channel_, {operation::write, 0, buffer.span(), 0}, 5s));
    const auto error = transfer(*channel_, {operation::read, file_bytes, buffer.span(), 0}, 5s);
    EXPECT_EQ(error.value(), EIO);
}

TEST_P(block_device_on, cannot_write_when_opened_for_reading) {
    auto opened = path_source(path_, path_source::access::read_only, GetParam().how).open();
    ASSERT_TRUE(opened);
    channel_ = (*opened)->make_channel(1);
    aligned_buffer buffer(page_bytes);
    EXPECT_EQ(run(operation::write, 0, buffer.span()), EBADF);
    EXPECT_EQ(run(operation::read, 0, buffer.span()), 0);
}

INSTANTIATE_TEST_SUITE_P(, block_device_on,
                         testing::Values(variant{"posix_on_tmpfs", "/dev/shm", backend::posix},
                                         variant{"posix_on_disk", "/var/tmp", backend::posix},
                                         variant{"uring_on_tmpfs", "/dev/shm", backend::uring},
                                         variant{"uring_on_disk", "/var/tmp", backend::uring}),
                         [](const auto& which) { return std::string(which.param.name); });

TEST(path_source, tells_why_it_cannot_open) {
    EXPECT_EQ(path_source("/nonexistent", path_source::access::read_only).open().error().value(),
              ENOENT);
    EXPECT_EQ(path_source("/dev/null", path_source::access::read_only).open().error().value(),
              ENOTBLK);
    EXPECT_EQ(path_source("/tmp", path_source::access::read_only).open().error().value(), ENOTBLK);
    // procfs has no direct I/O.
    EXPECT_EQ(
        path_source("/proc/self/status", path_source::access::read_only).open().error().value(),
        EINVAL);
}

TEST(aligned_buffer, is_zeroed_and_aligned_for_every_block_size) {
    const aligned_buffer buffer(3 * page_bytes);
    EXPECT_EQ(buffer.size(), 3 * page_bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.span().data()) % 65536, 0U);
    EXPECT_TRUE(std::ranges::all_of(buffer.span(), [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace
}  // namespace diskhb::io
