// SPDX-License-Identifier: BSD-3-Clause
// The disk thread on a volume in a file, through a device that can be told to fail or to hang.
#include "plugin/quorum/disk_thread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "volume_file.hpp"

namespace diskhb::quorum {
namespace {

using format::quorum_block;
using format::quorum_state;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t our_incarnation = 0x1111;
constexpr auto patience = std::chrono::seconds(20);

// What the device does to requests from now on.
struct fault_switch {
    std::mutex mutex;
    std::condition_variable changed;
    int error = 0;       // of every request and of open
    bool hangs = false;  // requests wait until it is false again
    bool is_hanging = false;

    void set_error(int value) {
        const std::lock_guard lock(mutex);
        error = value;
    }
    void set_hanging(bool value) {
        const std::lock_guard lock(mutex);
        hangs = value;
        changed.notify_all();
    }
    void wait_hanging() {
        std::unique_lock lock(mutex);
        EXPECT_TRUE(changed.wait_for(lock, patience, [this] { return is_hanging; }));
    }
    int pass() {
        std::unique_lock lock(mutex);
        is_hanging = hangs;
        changed.notify_all();
        changed.wait(lock, [this] { return !hangs; });
        is_hanging = false;
        return error;
    }
};

class faulty_channel final : public io::channel {
  public:
    faulty_channel(std::unique_ptr<io::channel> real, std::shared_ptr<fault_switch> faults)
        : real_(std::move(real)), faults_(std::move(faults)) {}
    void submit(const io::request& wanted) noexcept override {
        if (const int error = faults_->pass(); error != 0) {
            failed_ = io::completion{wanted.tag, error};
        } else {
            real_->submit(wanted);
        }
    }
    std::size_t reap(std::span<io::completion> out) noexcept override {
        if (failed_) {
            out[0] = *failed_;
            failed_.reset();
            return 1;
        }
        return real_->reap(out);
    }
    void wait(std::chrono::nanoseconds timeout) noexcept override { real_->wait(timeout); }
    void wake() noexcept override { real_->wake(); }

  private:
    std::unique_ptr<io::channel> real_;
    std::shared_ptr<fault_switch> faults_;
    std::optional<io::completion> failed_;
};

class faulty_device final : public io::block_device {
  public:
    faulty_device(std::unique_ptr<io::block_device> real, std::shared_ptr<fault_switch> faults)
        : real_(std::move(real)), faults_(std::move(faults)) {}
    std::uint64_t size_bytes() const noexcept override { return real_->size_bytes(); }
    std::uint32_t block_bytes() const noexcept override { return real_->block_bytes(); }
    std::unique_ptr<io::channel> make_channel(unsigned depth) override {
        return std::make_unique<faulty_channel>(real_->make_channel(depth), faults_);
    }

  private:
    std::unique_ptr<io::block_device> real_;
    std::shared_ptr<fault_switch> faults_;
};

class faulty_source final : public io::device_source {
  public:
    faulty_source(const std::string& path, std::shared_ptr<fault_switch> faults)
        : real_(path, io::path_source::access::read_write, io::backend::posix),
          faults_(std::move(faults)) {}
    result<std::unique_ptr<io::block_device>> open() override {
        if (const int error = faults_->pass(); error != 0) {
            return boost::system::error_code(error, boost::system::system_category());
        }
        auto opened = real_.open();
        if (!opened) {
            return opened.error();
        }
        return std::unique_ptr<io::block_device>(
            std::make_unique<faulty_device>(std::move(*opened), faults_));
    }
    std::string name() const override { return real_.name(); }

  private:
    io::path_source real_;
    std::shared_ptr<fault_switch> faults_;
};

// Collects what the disk thread reports.
class mailbox {
  public:
    void put(const disk_result& result) {
        const std::lock_guard lock(mutex_);
        results_.push_back(result);
        changed_.notify_all();
    }
    disk_result next() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, patience, [this] { return results_.size() > taken_; })) {
            ADD_FAILURE() << "no result";
            return {};
        }
        return results_[taken_++];
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<disk_result> results_;
    std::size_t taken_ = 0;
};

quorum_block block_of(std::uint32_t node_id, std::uint64_t incarnation, std::uint64_t sequence) {
    quorum_block block;
    block.node_id = node_id;
    block.state = quorum_state::running;
    block.incarnation = incarnation;
    block.sequence = sequence;
    return block;
}

class disk_thread_on_file : public testing::Test {
  protected:
    disk_thread_on_file() {
        options_.path = file_.path();
        options_.cluster_name = "test";
        options_.node_id = 1;
        options_.highest_node_id = 4;
        options_.incarnation = our_incarnation;
        options_.reopen_interval = std::chrono::nanoseconds(0);
    }

    disk_thread& open() {
        disk_ = std::make_unique<disk_thread>(
            options_, std::make_unique<faulty_source>(file_.path(), faults_),
            [this] { return device_; }, claims_, clock_,
            [this](const disk_result& result) { box_.put(result); });
        disk_->wait_opened(patience);
        return *disk_;
    }
    disk_result read() {
        disk_->read();
        return box_.next();
    }
    disk_result write(std::uint64_t sequence) {
        disk_->write(block_of(1, our_incarnation, sequence));
        return box_.next();
    }
    // Another node's block, as that node would write it.
    void put(quorum_block block) {
        std::vector<std::byte> bytes(file_.content().measures.block_bytes);
        format::encode_quorum(bytes, file_.content().measures, file_.content().cluster, block);
        file_.write(
            file_.content().measures.quorum_offset(static_cast<slot_index>(block.node_id - 1)),
            bytes);
    }
    // Another format run on the same file.
    void format_anew() {
        auto fresh = file_.content();
        fresh.cluster = {99};
        std::vector<std::byte> block(fresh.measures.block_bytes);
        for (const std::uint64_t offset :
             {std::uint64_t{0}, fresh.measures.superblock_copy_offset()}) {
            format::encode_superblock(block, fresh, offset);
            file_.write(offset, block);
        }
        file_.write(fresh.measures.quorum_offset(),
                    std::vector<std::byte>(fresh.measures.table_bytes()));
    }
    std::string failure_text() {
        const auto failure = disk_->failure();
        return failure ? failure->text : "no failure";
    }

    test::volume_file file_;
    std::shared_ptr<fault_switch> faults_ = std::make_shared<fault_switch>();
    std::shared_ptr<volume_claims> claims_ = std::make_shared<volume_claims>(3);
    std::shared_ptr<engine::system_clock> clock_ = std::make_shared<engine::system_clock>();
    device_report device_{{7, 70}, {}};
    disk_options options_;
    mailbox box_;
    std::unique_ptr<disk_thread> disk_;
};

TEST_F(disk_thread_on_file, reads_back_what_it_wrote_and_what_others_did) {
    put(block_of(3, 0x3333, 5));
    open();
    EXPECT_TRUE(write(1).succeeded);
    const auto seen = read();
    ASSERT_TRUE(seen.succeeded);
    ASSERT_EQ(seen.table.size(), format::slots_max);
    ASSERT_NE(seen.table[0].block, nullptr);
    EXPECT_EQ(seen.table[0].stamp.sequence, 1U);
    EXPECT_EQ(seen.table[0].block->device, device_.identity);
    ASSERT_NE(seen.table[2].block, nullptr);
    EXPECT_EQ(seen.table[2].stamp.incarnation, 0x3333U);
    EXPECT_EQ(seen.table[1].what, sighting::kind::empty);
    EXPECT_EQ(seen.table[100].what, sighting::kind::empty);
    EXPECT_STREQ(disk_->snapshot().state, "ok");
    EXPECT_EQ(disk_->snapshot().writes, 1U);
}

TEST_F(disk_thread_on_file, tells_a_lost_volume_and_comes_back_to_it) {
    open();
    faults_->set_error(EIO);
    EXPECT_FALSE(write(1).succeeded);
    const auto lost = read();
    EXPECT_FALSE(lost.succeeded);
    EXPECT_TRUE(lost.table.empty());
    EXPECT_STREQ(disk_->snapshot().state, "lost");
    EXPECT_THAT(failure_text(), HasSubstr("Input/output error"));
    EXPECT_FALSE(disk_->failure()->is_lasting);
    faults_->set_error(0);
    EXPECT_TRUE(read().succeeded);
    EXPECT_STREQ(disk_->snapshot().state, "ok");
    EXPECT_EQ(disk_->snapshot().times_lost, 1U);
}

TEST_F(disk_thread_on_file, starts_without_its_volume_and_takes_it_when_it_appears) {
    faults_->set_error(ENOENT);
    open();
    EXPECT_FALSE(disk_->failure()->is_lasting);
    EXPECT_FALSE(read().succeeded);
    faults_->set_error(0);
    EXPECT_TRUE(read().succeeded);
}

TEST_F(disk_thread_on_file, leaves_its_owner_alone_when_the_device_hangs) {
    open();
    faults_->set_hanging(true);
    disk_->read();
    faults_->wait_hanging();
    EXPECT_STREQ(disk_->snapshot().state, "ok");
    EXPECT_EQ(disk_->snapshot().last_write_ago_ns, std::nullopt);
    // Does not wait, and nothing is reported afterwards.
    disk_.reset();
    faults_->set_hanging(false);
}

TEST_F(disk_thread_on_file, refuses_the_volume_of_another_cluster) {
    options_.cluster_name = "other";
    open();
    EXPECT_THAT(failure_text(), HasSubstr("is the volume of cluster 'test', corosync.conf is of "
                                          "cluster 'other'"));
    EXPECT_EQ(disk_->failure()->exit_code, exit_cluster);
    EXPECT_TRUE(disk_->failure()->is_lasting);
    EXPECT_FALSE(write(1).succeeded);
}

TEST_F(disk_thread_on_file, refuses_a_volume_without_a_slot_for_every_node) {
    options_.highest_node_id = 5;
    open();
    EXPECT_THAT(failure_text(), HasSubstr("has slots for node ids 1 to 4, and corosync.conf has "
                                          "node id 5"));
    EXPECT_EQ(disk_->failure()->exit_code, exit_config);
}

TEST_F(disk_thread_on_file, refuses_what_is_no_volume) {
    file_.write(0, std::vector<std::byte>(4096));
    file_.write(file_.content().measures.superblock_copy_offset(), std::vector<std::byte>(4096));
    open();
    EXPECT_THAT(failure_text(), HasSubstr("not a diskhb volume"));
    EXPECT_EQ(disk_->failure()->exit_code, exit_format);
    EXPECT_TRUE(disk_->failure()->is_lasting);
}

TEST_F(disk_thread_on_file, refuses_a_device_that_is_a_mirror) {
    device_.refusal = "is a DRBD device";
    open();
    EXPECT_THAT(failure_text(), HasSubstr("is a DRBD device"));
    EXPECT_EQ(disk_->failure()->exit_code, exit_volume);
}

TEST_F(disk_thread_on_file, refuses_a_copy_of_what_another_node_writes_to) {
    auto block = block_of(2, 0x2222, 1);
    block.device = {7, 71};
    put(block);
    open();
    EXPECT_THAT(failure_text(), HasSubstr("is a replicated copy: node 2 writes to another device"));
    EXPECT_EQ(disk_->failure()->exit_code, exit_volume);
    EXPECT_FALSE(write(1).succeeded);
}

TEST_F(disk_thread_on_file, leaves_a_copy_when_the_others_appear_on_it_later) {
    open();
    ASSERT_TRUE(write(1).succeeded);
    auto block = block_of(2, 0x2222, 1);
    block.device = {7, 71};
    put(block);
    EXPECT_FALSE(read().succeeded);
    EXPECT_THAT(failure_text(), HasSubstr("is a replicated copy"));
    EXPECT_FALSE(write(2).succeeded);
}

TEST_F(disk_thread_on_file, takes_no_offence_at_blocks_that_cannot_tell_or_have_left) {
    auto stopped = block_of(2, 0x2222, 1);
    stopped.state = quorum_state::stopped;
    stopped.device = {7, 71};
    put(stopped);
    auto elsewhere = block_of(3, 0x3333, 1);
    elsewhere.device = {8, 71};
    put(elsewhere);
    put(block_of(4, 0x4444, 1));
    open();
    EXPECT_EQ(failure_text(), "no failure");
}

TEST_F(disk_thread_on_file, refuses_two_volumes_with_one_uuid) {
    ASSERT_FALSE(claims_->claim(1, "/dev/other", file_.content().cluster, {7, 71}));
    open();
    EXPECT_THAT(failure_text(), HasSubstr("has the same uuid"));
    EXPECT_THAT(failure_text(), HasSubstr("as /dev/other"));
}

TEST_F(disk_thread_on_file, refuses_two_volumes_on_one_device) {
    ASSERT_FALSE(claims_->claim(1, "/dev/other", {42}, {7, 70}));
    open();
    EXPECT_THAT(failure_text(), HasSubstr("is the same device as /dev/other"));
}

TEST_F(disk_thread_on_file, does_not_write_to_a_volume_that_was_formatted_anew) {
    open();
    ASSERT_TRUE(write(1).succeeded);
    ASSERT_TRUE(read().succeeded);
    format_anew();
    ASSERT_TRUE(read().succeeded);
    EXPECT_FALSE(write(2).succeeded);
    EXPECT_THAT(failure_text(), HasSubstr("is another volume than before"));
    const auto& measures = file_.content().measures;
    EXPECT_EQ(file_.read(measures.quorum_offset(), 4096), std::vector<std::byte>(4096));
}

}  // namespace
}  // namespace diskhb::quorum
