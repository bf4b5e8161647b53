// SPDX-License-Identifier: BSD-3-Clause
// Copying a slot to another device: how fast, against reading and writing blocks of the same size
// by hand, and how late, against one read and one write.
#include <algorithm>
#include <thread>

#include "measurements.hpp"
#include "measuring.hpp"
#include "replication/copy_job.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t ring_bytes = 16 << 20;
constexpr std::size_t payload_bytes = 65536;
constexpr std::size_t block_bytes = 256 * 1024;  // of the copier's longest I/O
constexpr auto settling = 300ms;

std::uint64_t ring_bytes_written(const node& writer) {
    const auto now = writer.statistics();
    return now[counter::bytes_written] - 4096 * now[counter::table_writes];
}

// Writes as fast as the copier takes it, at most half a ring ahead.
void feed(node& writer, const replication::copy_job& job, std::stop_token stop) {
    expect_exact_sleeps();
    const std::vector<std::byte> payload(payload_bytes);
    const std::uint64_t copied_before = job.status().counters.ring_bytes_written;
    const std::uint64_t written_before = ring_bytes_written(writer);
    while (!stop.stop_requested()) {
        const std::uint64_t copied = job.status().counters.ring_bytes_written - copied_before;
        const std::uint64_t written = ring_bytes_written(writer) - written_before;
        if (written > copied + ring_bytes / 2 ||
            writer.submit(2, packet_type::bulk, payload) == errc::full) {
            std::this_thread::sleep_for(200us);
        }
    }
}

nlohmann::json copy_stretch(node& writer, replication::copy_job& job,
                            const round_settings& rounds) {
    const std::jthread feeder([&](std::stop_token stop) { feed(writer, job, stop); });
    std::this_thread::sleep_for(settling);
    const auto before = job.status().counters;
    const std::uint64_t start_ns = now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(rounds.stretch_ms));
    const auto after = job.status().counters;
    const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
    const auto bytes = after.ring_bytes_written - before.ring_bytes_written;
    return {{"mib_per_s", static_cast<double>(bytes) / (1 << 20) / seconds},
            {"announced", after.blocks_announced - before.blocks_announced},
            {"laps", after.laps - before.laps}};
}

// As dd does: one block read, then written, then the next.
nlohmann::json dd_stretch(bare_device& from, bare_device& to, const round_settings& rounds) {
    const std::uint64_t start_ns = now_ns();
    std::uint64_t bytes = 0;
    while (now_ns() < start_ns + rounds.stretch_ms * 1'000'000ULL) {
        from.read(block_bytes);
        to.write(block_bytes);
        bytes += block_bytes;
    }
    const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
    return {{"mib_per_s", static_cast<double>(bytes) / (1 << 20) / seconds}};
}

template <class Transfer>
nlohmann::json times_of(unsigned count, Transfer transfer) {
    std::vector<std::uint64_t> times_ns;
    for (unsigned turn = 0; turn < count; ++turn) {
        const std::uint64_t start_ns = now_ns();
        transfer();
        times_ns.push_back(now_ns() - start_ns);
    }
    return summary(std::move(times_ns));
}

replication::copy_job_options job_options(const ring_settings& ring, const std::string& target) {
    replication::copy_job_options options;
    options.source = ring.volume;
    options.target = target;
    options.cluster_name = "bench";
    options.node_id = 1;
    return options;
}

void wait_until_copying(const replication::copy_job& job) {
    for (int turn = 0; turn < 3000; ++turn) {
        const auto now = job.status();
        if (now.state == replication::copy_job_state::copying &&
            now.counters.blocks_announced > 2) {
            return;
        }
        std::this_thread::sleep_for(10ms);
    }
    throw setup_error(exit_failed, "the copy does not begin: " + job.status().error);
}

// Some datagrams a second, each in a table block.
nlohmann::json lag_stretch(node& writer, const ring_settings& ring, const std::string& target,
                           const round_settings& rounds) {
    replication::copy_job job(job_options(ring, target));
    job.start();
    wait_until_copying(job);
    expect_exact_sleeps();
    const std::vector<std::byte> payload(256);
    schedule times(now_ns(), 100'000'000);
    const std::uint64_t end_ns = now_ns() + rounds.stretch_ms * 1'000'000ULL;
    while (now_ns() < end_ns) {
        wait_until_ns(times.next_ns());
        (void)writer.submit(2, packet_type::cluster, payload);
    }
    const auto now = job.status();
    return {{"p50_us", static_cast<double>(now.lag_p50.count()) / 1e3},
            {"p99_us", static_cast<double>(now.lag_p99.count()) / 1e3},
            {"count", now.counters.blocks_announced}};
}

}  // namespace

nlohmann::json measure_copy(const ring_settings& ring, const std::string& target,
                            const round_settings& rounds) {
    make_volume(ring.volume, 4, ring_bytes);
    make_volume(target, 4, ring_bytes);  // the same superblock: a copy
    auto options = options_for(ring, 1);
    options.peers = {2};
    node writer(ring.volume, options);
    writer.start();
    bare_device source(ring.volume, 2);
    bare_device remote(target, 2);
    auto found = nlohmann::json::array();
    for (unsigned turn = 0; turn < rounds.rounds; ++turn) {
        const steal_watch watch;
        nlohmann::json row;
        {
            replication::copy_job job(job_options(ring, target));
            job.start();
            wait_until_copying(job);
            row["copy"] = copy_stretch(writer, job, rounds);
        }
        row["dd"] = dd_stretch(source, remote, rounds);
        row["lag"] = lag_stretch(writer, ring, target, rounds);
        row["read"] = times_of(50, [&] { source.read(4096); });
        row["write"] = times_of(50, [&] { remote.write(4096); });
        row["steal"] = watch.share();
        found.push_back(std::move(row));
    }
    return {{"block_bytes", block_bytes}, {"rounds", found}};
}

}  // namespace diskhb::bench
