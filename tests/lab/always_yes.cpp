// SPDX-License-Identifier: BSD-3-Clause
// A quorum device that votes for every ring it is in and looks at no volume: what diskhb-quorumd
// must never be. In its place the split tests have to fail, which shows that they can. Ends with
// SIGTERM, or with Corosync.
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "plugin/corosync/cmap.hpp"
#include "plugin/corosync/votequorum.hpp"

namespace lab {
namespace {

using diskhb::corosync::error_code;
using diskhb::corosync::to_error;

constexpr const char* device_name = "disk";
constexpr std::uint64_t timeout_ms_default = 10000;

[[noreturn]] void end(const char* what, const error_code& error) {
    fmt::print(stderr, "always_yes: {}: {}\n", what, error.message());
    std::exit(EXIT_FAILURE);
}

void require(const char* what, const error_code& error) {
    if (error) {
        end(what, error);
    }
}

// Half of quorum.device.timeout, as corosync-qdevice polls.
std::chrono::milliseconds poll_interval(boost::asio::io_context& loop) {
    diskhb::corosync::cmap map(loop, {});
    require("cmap", map.connect());
    const auto timeout_ms = map.number("quorum.device.timeout");
    return std::chrono::milliseconds((timeout_ms ? *timeout_ms : timeout_ms_default) / 2);
}

class device {
  public:
    explicit device(boost::asio::io_context& loop)
        : interval_(poll_interval(loop)),
          timer_(loop),
          votequorum_(loop, {[this](const auto& ring, const auto&) {
                                 ring_ = ring;
                                 poll_soon({});
                             },
                             {},
                             [](const error_code& error) { end("Corosync", error); }}) {
        require("votequorum", votequorum_.connect());
        require("registration", votequorum_.register_device(device_name));
        require("tracking", votequorum_.track());
    }
    ~device() { votequorum_.unregister_device(device_name); }

  private:
    void poll_soon(std::chrono::milliseconds wait) {
        timer_.expires_after(wait);
        timer_.async_wait([this](const error_code& error) {
            if (!error) {
                poll();
            }
        });
    }
    void poll() {
        // For a former ring: the new one will be told.
        const error_code error = votequorum_.poll_device(device_name, true, ring_);
        if (error && error != to_error(CS_ERR_MESSAGE_ERROR) &&
            error != to_error(CS_ERR_TRY_AGAIN)) {
            end("poll", error);
        }
        poll_soon(interval_);
    }

    const std::chrono::milliseconds interval_;
    boost::asio::steady_timer timer_;
    diskhb::corosync::votequorum votequorum_;
    diskhb::corosync::ring_id ring_;
};

}  // namespace
}  // namespace lab

int main() {
    boost::asio::io_context loop;
    boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&](const auto&, int) { loop.stop(); });
    lab::device device(loop);
    loop.run();
    return EXIT_SUCCESS;
}
