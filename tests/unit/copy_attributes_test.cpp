// SPDX-License-Identifier: BSD-3-Clause
// What ocf:diskhb:copy publishes of diskhb-copyd's status.
#include "tools/copy_attributes.hpp"

#include <gtest/gtest.h>

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

json ring(const std::string& state, double behind_ms = 3, const std::string& error = "") {
    return {{"interface", "dhb0"}, {"source", "/dev/a"},     {"target", "/dev/b"},
            {"state", state},      {"error", error},         {"behind_ms", behind_ms},
            {"lag_us_p50", 2100},  {"announced_ago_ms", 180}};
}
std::string attributes_of(std::initializer_list<json> rings, double behind_ms_max = 10'000) {
    json status{{"ok", true}, {"rings", json::array()}};
    for (const auto& each : rings) {
        status["rings"].push_back(each);
    }
    return copy_attributes(status, behind_ms_max);
}

TEST(copy_attributes, are_well_while_all_is_copied_in_time) {
    EXPECT_EQ(attributes_of({ring("copying")}),
              "state=copying\nready=1\nbehind-ms=5\ndegraded=0\nreason=\n");
}

TEST(copy_attributes, take_a_target_that_is_being_proven_for_well) {
    EXPECT_EQ(attributes_of({ring("proving", 0)}),
              "state=proving\nready=1\nbehind-ms=0\ndegraded=0\nreason=\n");
}

TEST(copy_attributes, name_what_keeps_a_ring_from_being_copied) {
    EXPECT_EQ(attributes_of({ring("refused", 0, "/dev/b: is not a copy of /dev/a")}),
              "state=refused\nready=0\nbehind-ms=0\ndegraded=1\n"
              "reason=ring dhb0 is not copied: refused: /dev/b: is not a copy of /dev/a\n");
}

TEST(copy_attributes, are_degraded_when_a_copy_is_too_far_behind) {
    EXPECT_EQ(attributes_of({ring("copying", 10'001)}),
              "state=copying\nready=0\nbehind-ms=20000\ndegraded=1\n"
              "reason=the copy of ring dhb0 is 10.0 s behind\n");
    EXPECT_EQ(attributes_of({ring("copying", 10'000)}),
              "state=copying\nready=1\nbehind-ms=10000\ndegraded=0\nreason=\n");
    EXPECT_EQ(attributes_of({ring("copying", 1e7)}, 0),
              "state=copying\nready=1\nbehind-ms=10000000\ndegraded=0\nreason=\n");
}

TEST(copy_attributes, are_those_of_the_worst_of_several_rings) {
    EXPECT_EQ(attributes_of({ring("copying", 700), ring("waiting_for_target"), ring("proving")}),
              "state=waiting_for_target\nready=0\nbehind-ms=1000\ndegraded=1\n"
              "reason=ring dhb0 is not copied: waiting_for_target\n");
    EXPECT_EQ(
        attributes_of({ring("waiting_for_source"), ring("refused")}).rfind("state=refused", 0), 0U);
}

TEST(copy_attributes, take_a_state_of_another_version_for_bad) {
    EXPECT_EQ(attributes_of({ring("copying"), ring("dozing")}),
              "state=dozing\nready=0\nbehind-ms=5\ndegraded=1\n"
              "reason=ring dhb0 is not copied: dozing\n");
}

TEST(copy_attributes, are_there_when_nobody_answers_or_nothing_is_copied) {
    EXPECT_EQ(copy_attributes_without_daemon("nobody"),
              "state=unreachable\nready=0\nbehind-ms=0\ndegraded=1\nreason=nobody\n");
    EXPECT_EQ(attributes_of({}).rfind("state=unreachable\n", 0), 0U);
    EXPECT_EQ(copy_attributes(json{{"ok", true}}, 0).rfind("state=unreachable\n", 0), 0U);
}

TEST(copy_status_text, has_a_ring_with_its_lag_and_its_error) {
    const auto text = copy_status_text({{"rings", json::array({ring("refused", 3, "no copy")})}});
    EXPECT_NE(text.find("dhb0"), std::string::npos);
    EXPECT_NE(text.find("/dev/a to /dev/b\n  no copy\n"), std::string::npos);
    EXPECT_NE(text.find("behind 3.0 ms; lag 2.1 ms (p50)"), std::string::npos);
    EXPECT_NE(text.find("last copied: 180 ms ago"), std::string::npos);
    EXPECT_NE(copy_status_text({{"rings", json::array({{{"interface", "dhb1"}}})}})
                  .find("last copied: never"),
              std::string::npos);
}

}  // namespace
}  // namespace diskhb::tools
