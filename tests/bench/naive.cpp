// SPDX-License-Identifier: BSD-3-Clause
// What a ring over a disk is without batches, without a log and without adaptive polling: one
// block, polled. Newer datagrams overwrite older ones that were not written yet.
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "measurements.hpp"
#include "measuring.hpp"

namespace diskhb::bench {
namespace {

constexpr std::size_t block_bytes = 4096;

// Calls `tick` at a fixed rate.
template <class Tick>
void run_at(unsigned rate_hz, std::stop_token stop, Tick tick) {
    expect_exact_sleeps();
    const std::uint64_t interval_ns = 1'000'000'000ULL / rate_hz;
    for (std::uint64_t at_ns = now_ns(); !stop.stop_requested(); at_ns += interval_ns) {
        wait_until_ns(at_ns);
        tick();
    }
}

}  // namespace

nlohmann::json measure_naive(const std::string& volume, unsigned rate_hz, unsigned seconds) {
    make_volume(volume, 4, 8 << 20);
    bare_device written(volume, 2);
    bare_device read(volume, 2);
    std::atomic<std::uint64_t> newest_ns = 0;  // a datagram is the instant at which it was sent
    std::vector<std::uint64_t> times_ns;
    std::uint64_t sent = 0;
    {
        const std::jthread writer([&](std::stop_token stop) {
            run_at(rate_hz, stop, [&] {
                const std::uint64_t content_ns = newest_ns;
                std::memcpy(written.buffer().data(), &content_ns, sizeof content_ns);
                written.rewind();
                written.write(block_bytes);
            });
        });
        const std::jthread reader([&, seen_ns = std::uint64_t{0}](std::stop_token stop) mutable {
            run_at(rate_hz, stop, [&] {
                std::uint64_t content_ns = 0;
                read.rewind();
                read.read(block_bytes);
                std::memcpy(&content_ns, read.buffer().data(), sizeof content_ns);
                if (content_ns != seen_ns) {
                    seen_ns = content_ns;
                    times_ns.push_back(now_ns() - content_ns);
                }
            });
        });
        expect_exact_sleeps();
        const std::uint64_t start_ns = now_ns();
        schedule when(start_ns, 2'500'000'000ULL / rate_hz);
        for (std::uint64_t at_ns = when.next_ns(); at_ns < start_ns + seconds * 1'000'000'000ULL;
             at_ns = when.next_ns()) {
            wait_until_ns(at_ns);
            newest_ns = at_ns;
            ++sent;
        }
    }
    auto found = summary(times_ns);
    found["sent"] = sent;
    found["rate_hz"] = rate_hz;
    return found;
}

}  // namespace diskhb::bench
