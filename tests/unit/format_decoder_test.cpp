// SPDX-License-Identifier: BSD-3-Clause
// What our codec and format_decoder.py, which shares no code with it, say of the same volumes.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using nlohmann::json;
using samples::bytes;

// A volume in a file of its own, removed at the end.
class image {
  public:
    explicit image(std::uint16_t slots) : measures_(smallest(slots)) {
        std::string path = ::testing::TempDir() + "diskhb-image-XXXXXX";
        descriptor_ = mkstemp(path.data());
        path_ = path;
        EXPECT_GE(descriptor_, 0);
        EXPECT_EQ(ftruncate(descriptor_, static_cast<off_t>(measures_.volume_bytes)), 0);
        superblock content;
        content.cluster = samples::cluster;
        content.cluster_name = "production";
        content.measures = measures_;
        bytes block(measures_.block_bytes);
        for (const std::uint64_t offset : {std::uint64_t{0}, measures_.superblock_copy_offset()}) {
            encode_superblock(block, content, offset);
            write(offset, block);
        }
    }
    ~image() {
        close(descriptor_);
        std::filesystem::remove(path_);
    }
    image(const image&) = delete;
    image& operator=(const image&) = delete;

    const geometry& measures() const { return measures_; }

    void write(std::uint64_t offset, const bytes& content) {
        EXPECT_EQ(pwrite(descriptor_, content.data(), content.size(), static_cast<off_t>(offset)),
                  static_cast<ssize_t>(content.size()));
    }

    json decode(const std::string& options = "") const {
        const std::string program = DISKHB_SOURCE_DIR "/tests/unit/format_decoder.py";
        const std::string command = "python3 " + program + " " + path_ + " " + options;
        const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
        std::string text;
        char buffer[4096];
        while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe.get())) {
            text.append(buffer, got);
        }
        return json::parse(text);
    }

  private:
    static geometry smallest(std::uint16_t slots) {
        const geometry wanted{block_bytes_min, slots, ring_bytes_min, 0};
        return make_geometry(block_bytes_min, slots, ring_bytes_min, wanted.needed_bytes()).value();
    }
    geometry measures_;
    std::string path_;
    int descriptor_ = -1;
};

bytes table_of(const geometry& measures, slot_index slot, table_header header,
               const bytes& inline_frames) {
    header.node_id = slot + 1U;
    bytes block(measures.block_bytes);
    encode_table(block, measures, samples::cluster, header, samples::acks(measures), inline_frames,
                 count_frames(inline_frames).value());
    return block;
}

TEST(format_decoder, reads_a_log_that_goes_over_the_end_of_the_ring) {
    image volume(3);
    const geometry& measures = volume.measures();
    const slot_index slot = samples::slot;
    const std::uint64_t first = 2 * ring_bytes_min - 12288;
    const std::uint64_t padding = first + 4096;
    const std::uint64_t last = 2 * ring_bytes_min;
    volume.write(measures.ring_offset(slot, first),
                 samples::batch(measures, samples::identity(first), samples::frames({5, 0}), 500));
    bytes block(measures.block_bytes);
    seal_padding(block, measures, samples::identity(padding), 502);
    volume.write(measures.ring_offset(slot, padding), block);
    volume.write(measures.ring_offset(slot, last),
                 samples::batch(measures, samples::identity(last), samples::frames({9000}), 502));
    table_header header = samples::table();
    header.tail = first;
    header.tail_sequence = 500;
    header.head = last + 12288;
    header.head_sequence = 503;
    volume.write(measures.table_offset(slot),
                 table_of(measures, slot, header, samples::frames({3})));

    const json report = volume.decode("--frames");
    EXPECT_EQ(report["cluster"], "production");
    EXPECT_EQ(report["uuid"], to_string(samples::cluster));
    EXPECT_EQ(report["superblock"], "ok");
    EXPECT_EQ(report["superblock_copy"], "ok");
    EXPECT_EQ(report["volume_bytes"], measures.volume_bytes);
    ASSERT_EQ(report["nodes"].size(), 3U);
    EXPECT_EQ(report["nodes"][0]["block"], "empty_block");
    const json& node = report["nodes"][1];
    EXPECT_EQ(node["block"], "ok");
    EXPECT_EQ(node["beat"], header.sequence);
    EXPECT_EQ(node["head"], header.head);
    EXPECT_EQ(node["acknowledgements"][2]["read_sequence"], 0xb2);
    EXPECT_EQ(node["acknowledgements"][2]["beat"], 0xd2);
    EXPECT_EQ(node["inline_frames"][0]["sequence"], 503);
    EXPECT_EQ(node["inline_frames"][0]["payload"], "010203");
    const json& batches = node["batches"];
    ASSERT_EQ(batches.size(), 3U) << batches.dump(2);
    EXPECT_EQ(batches[0]["content"][1]["sequence"], 501);
    EXPECT_EQ(batches[1]["advance_bytes"], 8192);
    EXPECT_TRUE(batches[1]["content"].empty());
    EXPECT_EQ(batches[2]["content"][0]["length_bytes"], 9000);
    EXPECT_EQ(batches[2]["position"], last);
}

TEST(format_decoder, finds_the_copy_of_a_lost_superblock) {
    image volume(2);
    volume.write(0, bytes(4096, std::byte{0xee}));
    const json report = volume.decode();
    EXPECT_EQ(report["superblock"], "bad_magic");
    EXPECT_EQ(report["superblock_copy"], "ok");
    EXPECT_EQ(report["slots"], 2);
}

// Random edits, half of them with a right checksum, so that all checks are reached.
TEST(format_decoder, rejects_the_same_blocks_for_the_same_reasons) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    image volume(slots_most(4096));
    const geometry& measures = volume.measures();
    const auto spoil = [&](const bytes& block, std::size_t fields_end) {
        bytes spoilt = block;
        for (std::size_t edits = random.below(3); edits > 0; --edits) {
            spoilt[random.below(fields_end)] ^= static_cast<std::byte>(1U << random.below(8));
        }
        if (random.below(4) != 0) {
            samples::fix_checksum(spoilt);
        }
        return spoilt;
    };
    std::vector<std::string> tables;
    std::vector<std::string> batches;
    for (slot_index slot = 0; slot < measures.slots; ++slot) {
        table_header header = samples::table();
        header.tail = 8192;
        header.head = 12288;
        const bytes table = spoil(table_of(measures, slot, header, samples::frames({5, 0})), 160);
        batch_identity identity = samples::identity();
        identity.slot = slot;
        const bytes batch = spoil(samples::batch(measures, identity), 216);
        volume.write(measures.table_offset(slot), table);
        volume.write(measures.ring_offset(slot, identity.position), batch);

        const auto view = decode_table(table, measures, samples::cluster, slot);
        tables.push_back(view ? "ok" : samples::verdict(view));
        // What is read from there is the batch and the rest of the ring.
        bytes ring = batch;
        ring.resize(measures.ring_bytes - identity.position);
        identity.incarnation = view ? view->incarnation : identity.incarnation;
        identity.position = view ? view->tail : identity.position;
        batches.push_back(samples::verdict(decode_batch(ring, measures, identity)));
    }

    const json report = volume.decode();
    for (slot_index slot = 0; slot < measures.slots; ++slot) {
        const json& node = report["nodes"][slot];
        ASSERT_EQ(node["block"], tables[slot]) << slot;
        // An edit that moved the log shows another part of the ring; its verdict is not comparable.
        if (tables[slot] == "ok" && node["tail"] == 8192 && node["head"] == 12288) {
            const json& invalid = node["invalid"];
            ASSERT_EQ(invalid.empty() ? "accepted" : invalid.begin().key(), batches[slot]) << slot;
        }
    }
}

// The same for the quorum table.
TEST(format_decoder, rejects_the_same_quorum_blocks_for_the_same_reasons) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    image volume(slots_most(block_bytes_min));
    const geometry& measures = volume.measures();
    std::vector<result<quorum_block>> ours;
    for (slot_index slot = 0; slot < measures.slots; ++slot) {
        quorum_block content = samples::quorum();
        content.node_id = slot + 1U;
        content.joined.number = content.accepted = next_ballot(1000, slot);
        content.value.epoch = content.vote_epoch = content.accepted;
        bytes block = samples::quorum_block_of(measures, content);
        for (std::size_t edits = random.below(3); edits > 0; --edits) {
            block[random.below(320)] ^= static_cast<std::byte>(1U << random.below(8));
        }
        if (random.below(4) != 0) {
            samples::fix_checksum(block);
        }
        volume.write(measures.quorum_offset(slot), block);
        ours.push_back(decode_quorum(block, measures, samples::cluster, slot));
    }
    const json report = volume.decode("--quorum");
    for (slot_index slot = 0; slot < measures.slots; ++slot) {
        const json& node = report["nodes"][slot];
        const auto& decoded = ours[slot];
        ASSERT_EQ(node["block"], decoded ? "ok" : samples::verdict(decoded)) << slot;
        if (decoded) {
            EXPECT_EQ(node["sequence"], decoded->sequence);
            EXPECT_EQ(node["score"], decoded->score);
            EXPECT_EQ(node["members"].size(), decoded->ring_members.count());
            EXPECT_EQ(node["joined"], decoded->joined.number);
            EXPECT_EQ(node["linger_ms"], decoded->linger_ms);
            EXPECT_EQ(node["clock_ns"], decoded->clock_ns);
            EXPECT_EQ(node["grant"]["renewals"], decoded->renewal);
        }
    }
}

}  // namespace
}  // namespace diskhb::format
