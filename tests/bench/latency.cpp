// SPDX-License-Identifier: BSD-3-Clause
// Open loop: datagrams are sent on a fixed schedule and timed from the instant that was intended,
// so that a slow one makes those behind it late as well, as it would in life. The device is
// measured at such instants too, but without that queueing: what it takes for one write and one
// read, no more.
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <thread>

#include "measurements.hpp"
#include "measuring.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

// What node 2 saw of one round.
class arrivals {
  public:
    explicit arrivals(std::size_t most) { times_ns_.reserve(most); }
    void on_datagram(std::span<const std::byte> payload) {
        const std::uint64_t now = now_ns();
        std::uint64_t intended_ns = 0;
        std::memcpy(&intended_ns, payload.data(), sizeof intended_ns);
        const std::lock_guard guard(lock_);
        times_ns_.push_back(now - intended_ns);
    }
    std::vector<std::uint64_t> take() {
        const std::lock_guard guard(lock_);
        std::vector<std::uint64_t> taken;
        taken.reserve(times_ns_.capacity());
        taken.swap(times_ns_);
        return taken;
    }

  private:
    std::mutex lock_;
    std::vector<std::uint64_t> times_ns_;
};

struct totals {
    std::vector<std::uint64_t> ring_ns;
    std::vector<std::uint64_t> pair_ns;
};

nlohmann::json ring_stretch(ring_pair& pair, arrivals& arrived, const round_settings& rounds,
                            const latency_settings& settings, totals& all) {
    std::vector<std::byte> payload(std::max(settings.payload_bytes, sizeof(std::uint64_t)));
    const std::uint64_t start_ns = now_ns() + 1'000'000;
    schedule when(start_ns, settings.interval_us * 1000ULL);
    std::uint64_t sent = 0;
    for (std::uint64_t at_ns = when.next_ns(); at_ns < start_ns + rounds.stretch_ms * 1'000'000ULL;
         at_ns = when.next_ns()) {
        wait_until_ns(at_ns);
        std::memcpy(payload.data(), &at_ns, sizeof at_ns);
        pair.sender().submit(2, packet_type::cluster, payload);
        ++sent;
    }
    std::this_thread::sleep_for(100ms);
    const auto times_ns = arrived.take();
    all.ring_ns.insert(all.ring_ns.end(), times_ns.begin(), times_ns.end());
    auto row = summary(times_ns);
    row["sent"] = sent;
    return row;
}

nlohmann::json device_stretch(bare_device& device, const round_settings& rounds,
                              const latency_settings& settings, totals& all) {
    const std::size_t bytes = (settings.payload_bytes + 4095) / 4096 * 4096;
    std::vector<std::uint64_t> both_ns;
    std::vector<std::uint64_t> write_ns;
    std::vector<std::uint64_t> read_ns;
    const std::uint64_t start_ns = now_ns() + 1'000'000;
    schedule when(start_ns, settings.interval_us * 1000ULL);
    for (std::uint64_t at_ns = when.next_ns(); at_ns < start_ns + rounds.stretch_ms * 1'000'000ULL;
         at_ns = when.next_ns()) {
        wait_until_ns(at_ns);
        const std::uint64_t before_ns = now_ns();
        device.write(bytes);
        const std::uint64_t between_ns = now_ns();
        device.read(bytes);
        const std::uint64_t after_ns = now_ns();
        write_ns.push_back(between_ns - before_ns);
        read_ns.push_back(after_ns - between_ns);
        both_ns.push_back(after_ns - before_ns);
    }
    all.pair_ns.insert(all.pair_ns.end(), both_ns.begin(), both_ns.end());
    auto row = summary(std::move(both_ns));
    row["write"] = summary(std::move(write_ns));
    row["read"] = summary(std::move(read_ns));
    return row;
}

}  // namespace

nlohmann::json measure_latency(const ring_settings& ring, const round_settings& rounds,
                               const latency_settings& settings) {
    expect_exact_sleeps();
    make_volume(ring.volume, 4, 8 << 20);
    arrivals arrived(rounds.stretch_ms * 1000ULL / settings.interval_us * 2);
    bare_device device(ring.volume, 2);
    ring_pair pair(ring, [&](std::span<const std::byte> got) { arrived.on_datagram(got); });
    totals all;
    auto found = nlohmann::json::array();
    for (unsigned turn = 0; turn < rounds.rounds; ++turn) {
        const steal_watch watch;
        nlohmann::json row = {{"ring", ring_stretch(pair, arrived, rounds, settings, all)},
                              {"device", device_stretch(device, rounds, settings, all)}};
        row["steal"] = watch.share();
        found.push_back(std::move(row));
    }
    return {{"payload_bytes", settings.payload_bytes},
            {"interval_us", settings.interval_us},
            {"rounds", found},
            {"ring", summary(all.ring_ns)},
            {"device", summary(all.pair_ns)},
            {"ring_curve_us", curve_us(all.ring_ns)},
            {"device_curve_us", curve_us(all.pair_ns)}};
}

}  // namespace diskhb::bench
