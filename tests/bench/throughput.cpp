// SPDX-License-Identifier: BSD-3-Clause
// Both sides have one thread that fills the device and one that empties it; the lower rate of the
// two is what counts. The ring's side has the sending client's thread besides.
#include <atomic>
#include <thread>

#include "measurements.hpp"
#include "measuring.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t ring_bytes = 16 << 20;
constexpr auto settling = 200ms;  // not counted, at the start of each stretch

double mib_per_s(std::uint64_t bytes, std::uint64_t time_ns) {
    return static_cast<double>(bytes) / (1 << 20) / (static_cast<double>(time_ns) / 1e9);
}

void flood(node& from, std::size_t payload_bytes, std::stop_token stop) {
    expect_exact_sleeps();
    const std::vector<std::byte> payload(payload_bytes);
    while (!stop.stop_requested()) {
        if (from.submit(2, packet_type::bulk, payload) == errc::full) {
            std::this_thread::sleep_for(100us);
        }
    }
}

nlohmann::json ring_stretch(ring_pair& pair, const std::atomic<std::uint64_t>& delivered_bytes,
                            const round_settings& rounds, std::size_t payload_bytes) {
    std::jthread sender([&](std::stop_token stop) { flood(pair.sender(), payload_bytes, stop); });
    std::this_thread::sleep_for(settling);
    const auto sender_before = pair.sender().statistics();
    const auto receiver_before = pair.receiver().statistics();
    const std::uint64_t start_bytes = delivered_bytes;
    const std::uint64_t start_ns = now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(rounds.stretch_ms));
    const std::uint64_t bytes = delivered_bytes - start_bytes;
    const std::uint64_t time_ns = now_ns() - start_ns;
    const auto sender_after = pair.sender().statistics();
    const auto receiver_after = pair.receiver().statistics();
    const auto sent = [&](counter which) { return sender_after[which] - sender_before[which]; };
    const auto got = [&](counter which) { return receiver_after[which] - receiver_before[which]; };
    return {{"mib_per_s", mib_per_s(bytes, time_ns)},
            {"datagrams_per_s", static_cast<double>(got(counter::frames_delivered)) * 1e9 /
                                    static_cast<double>(time_ns)},
            {"frames_written", sent(counter::frames_written)},
            {"frames_delivered", got(counter::frames_delivered)},
            {"dropped_full", sent(counter::dropped_full)},
            {"dropped_expired",
             sent(counter::dropped_expired_send) + got(counter::dropped_expired_receive)},
            {"lost_lapped", got(counter::lost_lapped)},
            {"ring_writes", sent(counter::ring_writes)},
            {"ring_reads", got(counter::ring_reads)},
            {"table_reads", got(counter::table_reads)},
            {"bytes_written", sent(counter::bytes_written)},
            {"bytes_read", got(counter::bytes_read)}};
}

// Calls `transfer` for the length of a stretch; what it moved in a second.
template <class Transfer>
double rate_of(const round_settings& rounds, std::size_t bytes, Transfer transfer) {
    const auto settled_ns = now_ns() + std::chrono::nanoseconds(settling).count();
    while (now_ns() < settled_ns) {
        transfer(bytes);
    }
    const std::uint64_t start_ns = now_ns();
    std::uint64_t moved_bytes = 0;
    while (now_ns() < start_ns + rounds.stretch_ms * 1'000'000ULL) {
        transfer(bytes);
        moved_bytes += bytes;
    }
    return mib_per_s(moved_bytes, now_ns() - start_ns);
}

nlohmann::json device_stretch(bare_device& written, bare_device& read, const round_settings& rounds,
                              std::size_t payload_bytes) {
    const std::size_t bytes = (payload_bytes + 4095) / 4096 * 4096;
    double write_rate = 0;
    double read_rate = 0;
    {
        const std::jthread writer([&] {
            write_rate = rate_of(rounds, bytes, [&](std::size_t size) { written.write(size); });
        });
        read_rate = rate_of(rounds, bytes, [&](std::size_t size) { read.read(size); });
    }
    return {{"mib_per_s", std::min(write_rate, read_rate)},
            {"write_mib_per_s", write_rate},
            {"read_mib_per_s", read_rate}};
}

}  // namespace

nlohmann::json measure_throughput(const ring_settings& ring, const round_settings& rounds,
                                  std::size_t payload_bytes) {
    make_volume(ring.volume, 4, ring_bytes);
    std::atomic<std::uint64_t> delivered_bytes = 0;
    bare_device written(ring.volume, 2);
    bare_device read(ring.volume, 2);
    ring_pair pair(ring, [&](std::span<const std::byte> got) { delivered_bytes += got.size(); });
    auto found = nlohmann::json::array();
    for (unsigned turn = 0; turn < rounds.rounds; ++turn) {
        const steal_watch watch;
        nlohmann::json row = {{"ring", ring_stretch(pair, delivered_bytes, rounds, payload_bytes)},
                              {"device", device_stretch(written, read, rounds, payload_bytes)}};
        row["steal"] = watch.share();
        found.push_back(std::move(row));
    }
    return {{"payload_bytes", payload_bytes}, {"rounds", found}};
}

nlohmann::json measure_raw(const std::string& volume, const round_settings& rounds,
                           std::size_t payload_bytes) {
    make_volume(volume, 4, ring_bytes);
    bare_device written(volume, 2);
    bare_device read(volume, 2);
    auto found = nlohmann::json::array();
    for (unsigned turn = 0; turn < rounds.rounds; ++turn) {
        found.push_back(device_stretch(written, read, rounds, payload_bytes));
    }
    return {{"payload_bytes", payload_bytes}, {"rounds", found}};
}

}  // namespace diskhb::bench
