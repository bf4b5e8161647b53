// SPDX-License-Identifier: BSD-3-Clause
// What a parser of a configuration refuses, for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "diskhb/error.hpp"

namespace diskhb::test {

// The text of the setup_error that `parse` throws, which must be of a configuration and in one
// line; "no error" if it throws none.
template <class Parse>
std::string config_error_of(Parse parse) {
    try {
        parse();
    } catch (const setup_error& error) {
        EXPECT_EQ(error.exit_code(), exit_config);
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        return error.what();
    }
    return "no error";
}

}  // namespace diskhb::test
