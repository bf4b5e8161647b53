// SPDX-License-Identifier: BSD-3-Clause
// The way of other daemons' datagrams from the engine's threads to the main loop: so many at a time
// and no more, whatever comes in.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <span>

namespace diskhb::daemon {

class datagram_inbox {
  public:
    using handler = std::function<void(std::uint32_t from, std::span<const std::byte> bytes)>;

    // `take` is called by the loop's thread. The inbox outlives the loop's run, and what calls
    // put().
    datagram_inbox(boost::asio::io_context& loop, unsigned waiting_most, handler take)
        : loop_(loop), waiting_most_(waiting_most), take_(std::move(take)) {}

    // Copies the bytes; drops them if waiting_most others have not been taken yet, or for want of
    // memory. Any thread; neither waits nor throws.
    void put(std::uint32_t from, std::span<const std::byte> bytes) noexcept;

  private:
    boost::asio::io_context& loop_;
    const unsigned waiting_most_;
    const handler take_;
    std::atomic<unsigned> waiting_{0};
};

}  // namespace diskhb::daemon
