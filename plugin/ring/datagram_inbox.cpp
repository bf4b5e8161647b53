// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/datagram_inbox.hpp"

#include <boost/asio/post.hpp>
#include <new>
#include <vector>

namespace diskhb::daemon {

void datagram_inbox::put(std::uint32_t from, std::span<const std::byte> bytes) noexcept {
    if (waiting_.fetch_add(1, std::memory_order_relaxed) >= waiting_most_) {
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    try {
        boost::asio::post(loop_,
                          [this, from, copy = std::vector<std::byte>(bytes.begin(), bytes.end())] {
                              waiting_.fetch_sub(1, std::memory_order_relaxed);
                              take_(from, copy);
                          });
    } catch (const std::bad_alloc&) {
        waiting_.fetch_sub(1, std::memory_order_relaxed);
    }
}

}  // namespace diskhb::daemon
