// SPDX-License-Identifier: BSD-3-Clause
// The page about the engine knows every counter, and no counter that does not exist.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>

#include "diskhb/statistics.hpp"

namespace diskhb {
namespace {

std::string page() {
    std::ifstream file(DISKHB_SOURCE_DIR "/diskhb/doc/engine.md");
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(engine_doc, has_a_row_for_every_counter_with_its_meaning) {
    const std::string text = page();
    ASSERT_FALSE(text.empty());
    for (std::size_t index = 0; index < counter_count; ++index) {
        const auto which = static_cast<counter>(index);
        const std::string row =
            std::string("| `") + counter_name(which) + "` | " + counter_help(which) + " |\n";
        EXPECT_NE(text.find(row), std::string::npos) << row;
    }
}

TEST(engine_doc, names_no_counter_that_does_not_exist) {
    std::set<std::string> known;
    for (std::size_t index = 0; index < counter_count; ++index) {
        known.insert(counter_name(static_cast<counter>(index)));
    }
    const std::string text = page();
    const std::regex name("`((dropped|lost|wakes|rejected)_\\w+)`");
    std::size_t found = 0;
    for (std::sregex_iterator each(text.begin(), text.end(), name), end; each != end; ++each) {
        EXPECT_EQ(known.count((*each)[1]), 1U) << (*each)[1];
        ++found;
    }
    EXPECT_GT(found, 30U);
}

}  // namespace
}  // namespace diskhb
