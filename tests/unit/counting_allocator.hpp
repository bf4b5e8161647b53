// SPDX-License-Identifier: BSD-3-Clause
// Replaces operator new of the whole program by one that counts its calls, of all threads. Any
// thread may begin and end, one at a time.
#pragma once

#include <cstdint>

namespace diskhb::test {

void begin_counting() noexcept;
// The calls since begin_counting().
std::uint64_t end_counting() noexcept;

}  // namespace diskhb::test
