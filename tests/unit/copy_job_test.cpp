// SPDX-License-Identifier: BSD-3-Clause
// Copying between real files: devices that are there, come later, or must not be written to.
#include "replication/copy_job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "engine/clock.hpp"
#include "format/batch.hpp"
#include "format/table_block.hpp"
#include "volume_file.hpp"

namespace diskhb::replication {
namespace {

using namespace std::chrono_literals;
using test::volume_file;
using testing::HasSubstr;

constexpr format::slot_index slot = 1;

bool becomes_true(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

// Writes batches and table blocks into a file, one after the other.
class file_writer {
  public:
    explicit file_writer(volume_file& file) : file_(file) {}

    void write_batch(std::size_t payload_bytes) {
        const auto& measures = file_.content().measures;
        std::vector<std::byte> payload(payload_bytes, std::byte{static_cast<unsigned char>(beat_)});
        std::vector<std::byte> buffer(payload_bytes + 2 * 4096);
        format::frame one;
        one.payload = payload;
        std::size_t used = 0;
        ASSERT_TRUE(
            format::append_frame(std::span(buffer).subspan(format::batch_header_bytes), used, one));
        const format::batch_identity identity{file_.content().cluster, slot, 77, head_};
        const auto sealed = format::seal_batch(buffer, measures, identity, sequence_, 1, used);
        file_.write(measures.ring_offset(slot, head_), {sealed.begin(), sealed.end()});
        head_ += sealed.size();
        ++sequence_;
    }
    void write_table() {
        const auto& measures = file_.content().measures;
        format::table_header header;
        header.node_id = slot + 1U;
        header.incarnation = 77;
        header.sequence = ++beat_;
        header.clock_ns = engine::system_clock().now_ns();
        header.head = head_;
        header.head_sequence = sequence_;
        std::vector<std::byte> block(measures.block_bytes);
        const std::vector<format::acknowledgement> acks(measures.slots);
        format::encode_table(block, measures, file_.content().cluster, header, acks, {}, 0);
        file_.write(measures.table_offset(slot), block);
    }

  private:
    volume_file& file_;
    std::uint64_t head_ = 0;
    std::uint64_t sequence_ = 0;
    std::uint64_t beat_ = 0;
};

std::vector<std::byte> table_of(const volume_file& file) {
    const auto& measures = file.content().measures;
    return file.read(measures.table_offset(slot), measures.block_bytes);
}

copy_job_options options_for(const std::string& source, const std::string& target) {
    copy_job_options options;
    options.source = source;
    options.target = target;
    options.cluster_name = "test";
    options.node_id = slot + 1U;
    return options;
}

// The error of a job that must not copy; nothing may have been written.
std::string refusal(volume_file& source, const std::string& target) {
    copy_job job(options_for(source.path(), target));
    file_writer(source).write_table();
    job.start();
    EXPECT_TRUE(becomes_true([&] { return job.status().state == copy_job_state::refused; }));
    EXPECT_EQ(job.status().counters.blocks_announced, 0U);
    EXPECT_EQ(job.request_copy(), 0U);
    return job.status().error;
}

TEST(copy_job, copies_ring_and_table_between_files) {
    volume_file source;
    volume_file target;
    file_writer writer(source);
    writer.write_batch(60000);
    writer.write_table();
    copy_job job(options_for(source.path(), target.path()));
    job.start();
    ASSERT_TRUE(becomes_true([&] { return table_of(target) == table_of(source); }));
    writer.write_batch(30000);
    writer.write_batch(50000);
    writer.write_table();
    ASSERT_TRUE(becomes_true([&] { return table_of(target) == table_of(source); }));
    const auto& measures = source.content().measures;
    EXPECT_EQ(source.read(measures.ring_offset(slot), measures.ring_bytes),
              target.read(measures.ring_offset(slot), measures.ring_bytes));
    ASSERT_TRUE(becomes_true([&] { return job.status().counters.blocks_announced == 2; }));
    const auto status = job.status();
    EXPECT_EQ(status.state, copy_job_state::copying);
    EXPECT_EQ(status.error, "");
    EXPECT_EQ(status.beat, 2U);
    EXPECT_GT(status.lag_most.count(), 0);
    EXPECT_EQ(status.behind.count(), 0);
}

TEST(copy_job, copies_what_came_last_before_it_ends) {
    volume_file source;
    volume_file target;
    file_writer writer(source);
    writer.write_table();
    copy_job job(options_for(source.path(), target.path()));
    job.start();
    ASSERT_TRUE(becomes_true([&] { return table_of(target) == table_of(source); }));
    writer.write_batch(10000);
    writer.write_table();
    job.stop();
    EXPECT_EQ(job.status().state, copy_job_state::stopped);
    EXPECT_EQ(table_of(target), table_of(source));
}

TEST(copy_job, settles_a_request) {
    volume_file source;
    volume_file target;
    file_writer writer(source);
    writer.write_table();
    copy_job job(options_for(source.path(), target.path()));
    job.start();
    std::uint64_t ticket = 0;
    ASSERT_TRUE(becomes_true([&] { return (ticket = job.request_copy()) != 0; }));
    ASSERT_TRUE(becomes_true([&] { return job.is_settled(ticket); }));
    EXPECT_EQ(table_of(target), table_of(source));
}

TEST(copy_job, waits_for_a_target_that_comes_later) {
    volume_file source;
    volume_file target;
    const std::string later = target.path() + "-later";
    file_writer(source).write_table();
    copy_job job(options_for(source.path(), later));
    job.start();
    ASSERT_TRUE(becomes_true([&] { return !job.status().error.empty(); }));
    EXPECT_EQ(job.status().state, copy_job_state::waiting_for_target);
    EXPECT_THAT(job.status().error, HasSubstr("there is no such device or file"));
    ASSERT_EQ(::link(target.path().c_str(), later.c_str()), 0);
    EXPECT_TRUE(becomes_true([&] { return table_of(target) == table_of(source); }));
    ::unlink(later.c_str());
}

TEST(copy_job, waits_until_nobody_else_writes_the_slot) {
    volume_file source;
    volume_file target;
    file_writer writer(source);
    writer.write_table();
    auto first = std::make_unique<copy_job>(options_for(source.path(), target.path()));
    first->start();
    ASSERT_TRUE(becomes_true([&] { return first->status().counters.blocks_announced == 1; }));
    copy_job second(options_for(source.path(), target.path()));
    second.start();
    ASSERT_TRUE(becomes_true([&] { return !second.status().error.empty(); }));
    EXPECT_EQ(second.status().state, copy_job_state::waiting_for_target);
    EXPECT_THAT(second.status().error, HasSubstr("another diskhb-copyd writes this node's slot"));
    first.reset();
    // It has the target now, and what it waits for is the writer's next sign of life.
    ASSERT_TRUE(becomes_true([&] { return second.status().state == copy_job_state::proving; }));
    writer.write_table();
    EXPECT_TRUE(becomes_true([&] { return second.status().state == copy_job_state::copying; }));
    EXPECT_TRUE(becomes_true([&] { return table_of(target) == table_of(source); }));
}

TEST(copy_job, copies_another_slot_of_the_target_at_the_same_time) {
    volume_file source;
    volume_file target;
    file_writer(source).write_table();
    copy_job first(options_for(source.path(), target.path()));
    auto other = options_for(source.path(), target.path());
    other.node_id = 1;
    copy_job second(other);
    first.start();
    second.start();
    const auto has_opened = [](const copy_job& job) {
        return job.status().state == copy_job_state::proving ||
               job.status().state == copy_job_state::copying;
    };
    EXPECT_TRUE(becomes_true([&] { return has_opened(first) && has_opened(second); }));
}

TEST(copy_job, refuses_a_target_that_is_another_volume) {
    volume_file source;
    auto other = test::small_superblock();
    other.cluster[0] ^= 1;
    volume_file target(other);
    EXPECT_THAT(refusal(source, target.path()), HasSubstr("is another volume"));
    EXPECT_EQ(table_of(target), std::vector<std::byte>(4096));
}

TEST(copy_job, refuses_a_target_with_other_measures) {
    volume_file source;
    volume_file target(test::small_superblock("test", 2 << 20));
    EXPECT_THAT(refusal(source, target.path()), HasSubstr("other measures"));
}

TEST(copy_job, refuses_a_target_that_is_no_volume) {
    volume_file source;
    volume_file target;
    target.write(0, std::vector<std::byte>(4096));
    target.write(target.content().measures.superblock_copy_offset(), std::vector<std::byte>(4096));
    const auto error = refusal(source, target.path());
    EXPECT_THAT(error, HasSubstr("not a diskhb volume"));
    EXPECT_THAT(error, HasSubstr("--copy-of " + source.path()));
}

TEST(copy_job, refuses_the_source_itself_under_another_name) {
    volume_file source;
    const std::string alias = source.path() + "-alias";
    ASSERT_EQ(::symlink(source.path().c_str(), alias.c_str()), 0);
    EXPECT_THAT(refusal(source, alias), HasSubstr("is the volume that is to be copied itself"));
    ::unlink(alias.c_str());
}

TEST(copy_job, refuses_a_source_of_another_cluster) {
    volume_file source(test::small_superblock("elsewhere"));
    volume_file target(test::small_superblock("elsewhere"));
    EXPECT_THAT(refusal(source, target.path()), HasSubstr("cluster"));
}

}  // namespace
}  // namespace diskhb::replication
