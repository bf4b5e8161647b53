// SPDX-License-Identifier: BSD-3-Clause
#include "tools/text.hpp"

#include <gtest/gtest.h>

#include "diskhb/error.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

TEST(size_text, takes_the_largest_unit_that_leaves_a_whole_number) {
    EXPECT_EQ(size_text(0), "0 B");
    EXPECT_EQ(size_text(1000), "1000 B");
    EXPECT_EQ(size_text(1024), "1 KiB");
    EXPECT_EQ(size_text(1536 * 1024), "1536 KiB");
    EXPECT_EQ(size_text(16 << 20), "16 MiB");
    EXPECT_EQ(size_text(1ULL << 50), "1024 TiB");
}

TEST(parse_size, reads_numbers_with_and_without_units) {
    EXPECT_EQ(parse_size("--x", "65536"), 65536U);
    EXPECT_EQ(parse_size("--x", "512b"), 512U);
    EXPECT_EQ(parse_size("--x", "64K"), 65536U);
    EXPECT_EQ(parse_size("--x", "64kib"), 65536U);
    EXPECT_EQ(parse_size("--x", "16M"), 16U << 20);
    EXPECT_EQ(parse_size("--x", "16MB"), 16U << 20);
    EXPECT_EQ(parse_size("--x", "1GiB"), 1U << 30);
    EXPECT_EQ(parse_size("--x", "16383T"), 16383ULL << 40);
}

TEST(parse_size, refuses_anything_else_and_names_the_option) {
    for (const char* text : {"", "K", "-1", "1.5M", "1 M", "1X", "1Kx", "1bb", "16777216T",
                             "99999999999999999999", "0x10", "1K\n"}) {
        try {
            parse_size("--ring-size", text);
            ADD_FAILURE() << "accepted: " << text;
        } catch (const setup_error& refused) {
            EXPECT_EQ(refused.exit_code(), exit_usage);
            EXPECT_TRUE(std::string(refused.what()).starts_with("--ring-size "));
        }
    }
}

TEST(printable, keeps_strangers_bytes_off_the_terminal) {
    EXPECT_EQ(printable("plain ~text"), "plain ~text");
    EXPECT_EQ(printable("\x1b[31m\n\xc3\xa4\x7f"), "?[31m????");
    EXPECT_EQ(printable(""), "");
}

TEST(time_text, is_rfc_3339_in_utc) {
    EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(time_text(1'700'000'000), "2023-11-14T22:13:20Z");
    EXPECT_EQ(time_text(UINT64_MAX / 2), "unknown");
}

TEST(block_state_text, names_errors_of_blocks_and_of_devices) {
    EXPECT_EQ(block_state_text({}), "ok");
    EXPECT_EQ(block_state_text(errc::torn), "torn");
    EXPECT_EQ(block_state_text({EIO, boost::system::system_category()}), "Input/output error");
}

TEST(volume_error, gives_each_kind_of_failure_its_exit_code) {
    const auto exit_code = [](const boost::system::error_code& error) {
        return volume_error("/dev/x", error).exit_code();
    };
    const auto system = [](int error) {
        return boost::system::error_code(error, boost::system::system_category());
    };
    EXPECT_EQ(exit_code(system(ENOENT)), exit_volume);
    EXPECT_EQ(exit_code(system(ENOTBLK)), exit_volume);
    EXPECT_EQ(exit_code(system(EINVAL)), exit_volume);
    EXPECT_EQ(exit_code(system(EIO)), exit_volume);
    EXPECT_EQ(exit_code(system(EACCES)), exit_permission);
    EXPECT_EQ(exit_code(system(EPERM)), exit_permission);
    EXPECT_EQ(exit_code(errc::timed_out), exit_volume);
    EXPECT_EQ(exit_code(errc::truncated), exit_volume);
    EXPECT_EQ(exit_code(errc::bad_magic), exit_format);
    EXPECT_EQ(exit_code(errc::empty_block), exit_format);
    EXPECT_EQ(exit_code(errc::other_version), exit_format);
    EXPECT_EQ(exit_code(errc::torn), exit_format);
    EXPECT_TRUE(std::string(volume_error("/dev/x", errc::torn).what()).starts_with("/dev/x: "));
}

}  // namespace
}  // namespace diskhb::tools
