// SPDX-License-Identifier: BSD-3-Clause
// DISKHB_ASSERT: a mistake of the programmer, checked in release builds too. Never for bytes that
// come from a volume, the network or a file.
#pragma once

#include <cstdio>
#include <cstdlib>

#define DISKHB_ASSERT(condition)                                                                 \
    do {                                                                                         \
        if (!(condition)) [[unlikely]] {                                                         \
            std::fprintf(stderr, "diskhb: assertion failed: %s (%s:%d)\n", #condition, __FILE__, \
                         __LINE__);                                                              \
            std::abort();                                                                        \
        }                                                                                        \
    } while (false)
