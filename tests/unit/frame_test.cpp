// SPDX-License-Identifier: BSD-3-Clause
#include "format/frame.hpp"

#include "format_samples.hpp"

namespace diskhb::format {
namespace {

using samples::bytes;

TEST(frame, comes_back_as_it_was_appended) {
    bytes area(1 << 18, std::byte{0xee});
    std::size_t offset = 0;
    const std::vector<std::size_t> sizes = {0, 1, 7, 8, 9, 15, 16, 1500, max_payload_bytes};
    for (const std::size_t size : sizes) {
        const bytes content = samples::payload(size);
        ASSERT_TRUE(append_frame(area, offset,
                                 {static_cast<slot_index>(size), frame_kind::message,
                                  ~std::uint64_t{0} - size, content}));
        EXPECT_EQ(offset % 8, 0U);
    }
    frame_reader reader{std::span(area).first(offset)};
    for (const std::size_t size : sizes) {
        const auto next = reader.next();
        ASSERT_TRUE(next) << size;
        EXPECT_EQ(next->destination, static_cast<slot_index>(size));
        EXPECT_EQ(next->kind, frame_kind::message);
        EXPECT_EQ(next->submitted_ns, ~std::uint64_t{0} - size);
        const bytes content = samples::payload(size);
        EXPECT_TRUE(
            std::equal(next->payload.begin(), next->payload.end(), content.begin(), content.end()));
    }
    EXPECT_TRUE(reader.at_end());
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(count_frames(std::span(area).first(offset)).value(), sizes.size());
}

TEST(frame, leaves_no_old_bytes_between_frames) {
    bytes area(frame_bytes(3), std::byte{0xee});
    std::size_t offset = 0;
    ASSERT_TRUE(append_frame(area, offset, {0, frame_kind::datagram, 0, samples::payload(3)}));
    EXPECT_TRUE(all_zero(std::span(area).subspan(frame_header_bytes + 3)));
}

TEST(frame, is_appended_whole_or_not_at_all) {
    const bytes content = samples::payload(20);
    for (std::size_t room = 0; room < frame_bytes(20); ++room) {
        bytes area(room, std::byte{0xee});
        const bytes before = area;
        std::size_t offset = 0;
        EXPECT_FALSE(append_frame(area, offset, {0, frame_kind::datagram, 0, content})) << room;
        EXPECT_EQ(offset, 0U);
        EXPECT_EQ(area, before);
    }
    bytes area(frame_bytes(20));
    std::size_t beyond = area.size() + 8;
    EXPECT_FALSE(append_frame(area, beyond, {0, frame_kind::datagram, 0, content}));
}

TEST(frame, longer_than_the_limit_is_not_appended) {
    bytes area(frame_bytes(max_payload_bytes) + 64);
    std::size_t offset = 0;
    const bytes content(max_payload_bytes + 1);
    EXPECT_FALSE(append_frame(area, offset, {0, frame_kind::datagram, 0, content}));
}

TEST(frame_reader, finds_nothing_in_an_empty_area) {
    frame_reader reader({});
    EXPECT_TRUE(reader.at_end());
    EXPECT_EQ(reader.next().error(), errc::malformed);
    EXPECT_EQ(count_frames({}).value(), 0U);
}

TEST(frame_reader, stays_at_an_error) {
    bytes area = samples::frames({8, 8});
    area[frame_bytes(8) + 6] = std::byte{99};
    frame_reader reader(area);
    EXPECT_TRUE(reader.next());
    for (int again = 0; again < 3; ++again) {
        EXPECT_EQ(reader.next().error(), errc::malformed);
        EXPECT_FALSE(reader.at_end());
    }
}

TEST(frame_reader, lets_no_length_leave_the_area) {
    const bytes area = samples::frames({8});
    for (const std::uint32_t size : {9U, 16U, 0x7ffffff0U, 0xfffffff0U, 0xffffffffU}) {
        bytes edited = area;
        store(std::span(edited), 0, size);
        EXPECT_EQ(count_frames(edited).error(), errc::malformed) << size;
    }
    // Within the area, yet longer than any frame may be.
    bytes roomy(1 << 18);
    store(std::span(roomy), 0, max_payload_bytes + 1);
    roomy[6] = std::byte{1};
    EXPECT_EQ(frame_reader(roomy).next().error(), errc::malformed);
}

TEST(frame_reader, knows_every_kind_and_no_other) {
    for (unsigned kind = 0; kind < 256; ++kind) {
        bytes area = samples::frames({8});
        area[6] = static_cast<std::byte>(kind);
        EXPECT_EQ(frame_reader(area).next().has_value(), kind >= 1 && kind <= 4) << kind;
    }
    for (unsigned reserved = 1; reserved < 256; ++reserved) {
        bytes area = samples::frames({8});
        area[7] = static_cast<std::byte>(reserved);
        EXPECT_FALSE(frame_reader(area).next()) << reserved;
    }
}

TEST(frame_reader, rejects_every_truncation_inside_a_frame) {
    const bytes area = samples::frames({5, 0, 32});
    for (std::size_t size = 0; size < area.size(); ++size) {
        const bytes cut(area.begin(), area.begin() + static_cast<std::ptrdiff_t>(size));
        const bool at_boundary =
            size == 0 || size == frame_bytes(5) || size == frame_bytes(5) + frame_bytes(0);
        EXPECT_EQ(count_frames(cut).has_value(), at_boundary) << size;
    }
}

TEST(frame_reader, stays_inside_the_area_whatever_it_holds) {
    samples::random_edits random;
    SCOPED_TRACE(random.seed_line());
    const bytes area = samples::frames({5, 0, 32, 100, 1});
    for (int round = 0; round < 20000; ++round) {
        const bytes edited = random.edit(area);
        frame_reader reader(edited);
        while (!reader.at_end()) {
            const auto next = reader.next();
            if (!next) {
                break;
            }
            ASSERT_GE(next->payload.data(), edited.data() + frame_header_bytes);
            ASSERT_LE(next->payload.data() + next->payload.size(), edited.data() + edited.size());
        }
    }
}

}  // namespace
}  // namespace diskhb::format
