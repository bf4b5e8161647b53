// SPDX-License-Identifier: BSD-3-Clause
#include "ring/counters.hpp"

#include "format/assert.hpp"

namespace diskhb::ring {

void counters::add_rejected(errc kind) noexcept {
    constexpr auto first = static_cast<int>(errc::empty_block);
    constexpr auto last = static_cast<int>(errc::lapped);
    constexpr auto base = static_cast<std::size_t>(counter::rejected_empty_block);
    static_assert(static_cast<std::size_t>(counter::rejected_lapped) - base == last - first);
    const int value = static_cast<int>(kind);
    DISKHB_ASSERT(value >= first && value <= last);
    add(static_cast<counter>(base + static_cast<std::size_t>(value - first)));
}

}  // namespace diskhb::ring
