// SPDX-License-Identifier: BSD-3-Clause
// Copying a slot to another device: how fast, against reading and writing blocks of the same size
// by hand, one at a time or several at once; and how late, against one read and one write.
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "io/volume.hpp"
#include "measurements.hpp"
#include "measuring.hpp"
#include "replication/copy_job.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t ring_bytes = 16 << 20;
constexpr std::size_t payload_bytes = 65536;
constexpr std::size_t block_bytes = 256 * 1024;  // of the copier's longest I/O
constexpr unsigned blocks_at_once = 16;          // and of its writes
constexpr std::uint16_t spare_slot = 2;          // where is written by hand
constexpr auto settling = 300ms;

std::uint64_t ring_bytes_written(const node& writer) {
    const auto now = writer.statistics();
    return now[counter::bytes_written] - 4096 * now[counter::table_writes];
}

// Node 1 writes as fast as something copies, at most half a ring ahead of it. The writer costs
// processor time: it is at work while the copier is measured and while what it is compared with is.
template <class Copied>
void feed(node& writer, Copied copied_bytes, std::stop_token stop) {
    expect_exact_sleeps();
    const std::vector<std::byte> payload(payload_bytes);
    const std::uint64_t copied_before = copied_bytes();
    const std::uint64_t written_before = ring_bytes_written(writer);
    while (!stop.stop_requested()) {
        const std::uint64_t copied = copied_bytes() - copied_before;
        const std::uint64_t written = ring_bytes_written(writer) - written_before;
        if (written > copied + ring_bytes / 2 ||
            writer.submit(2, packet_type::bulk, payload) == errc::full) {
            std::this_thread::sleep_for(200us);
        }
    }
}

double mib_per_s(std::uint64_t bytes, std::uint64_t start_ns) {
    return static_cast<double>(bytes) / (1 << 20) /
           (static_cast<double>(now_ns() - start_ns) / 1e9);
}

nlohmann::json copy_stretch(node& writer, replication::copy_job& job,
                            const round_settings& rounds) {
    const auto copied_bytes = [&job] { return job.status().counters.ring_bytes_written; };
    const std::jthread feeder([&](std::stop_token stop) { feed(writer, copied_bytes, stop); });
    std::this_thread::sleep_for(settling);
    const auto before = job.status().counters;
    const std::uint64_t start_ns = now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(rounds.stretch_ms));
    const auto after = job.status().counters;
    return {
        {"mib_per_s", mib_per_s(after.ring_bytes_written - before.ring_bytes_written, start_ns)},
        {"announced", after.blocks_announced - before.blocks_announced},
        {"laps", after.laps - before.laps}};
}

// `transfer` copies one block or more, and returns how many bytes have arrived.
template <class Transfer>
nlohmann::json by_hand_stretch(node& writer, const round_settings& rounds, Transfer transfer) {
    std::atomic<std::uint64_t> copied{0};
    const std::jthread feeder([&](std::stop_token stop) {
        feed(
            writer, [&copied] { return copied.load(std::memory_order_relaxed); }, stop);
    });
    const std::uint64_t start_ns = now_ns();
    while (now_ns() < start_ns + rounds.stretch_ms * 1'000'000ULL) {
        copied.fetch_add(transfer(), std::memory_order_relaxed);
    }
    return {{"mib_per_s", mib_per_s(copied.load(std::memory_order_relaxed), start_ns)}};
}

// As dd does: one block read, then written, then the next.
nlohmann::json dd_stretch(node& writer, bare_device& from, bare_device& to,
                          const round_settings& rounds) {
    return by_hand_stretch(writer, rounds, [&] {
        from.read(block_bytes);
        to.write(block_bytes);
        return block_bytes;
    });
}

// As nbdcopy does: as many writes on their way as the copier has.
class wide_writer {
  public:
    explicit wide_writer(const std::string& target) {
        io::path_source source(target, io::path_source::access::read_write, io::backend::uring);
        auto opened = io::open_volume(source, "bench", 10s);
        if (!opened) {
            throw setup_error(exit_failed, target + ": " + opened.error().message());
        }
        device_ = std::move(opened->device);
        channel_ = device_->make_channel(blocks_at_once);
        offset_ = opened->superblock.measures.ring_offset(spare_slot);
    }

    // Fills the channel; then waits until something has arrived, and says how much.
    std::uint64_t copy(bare_device& from) {
        while (in_flight_ < blocks_at_once) {
            from.read(block_bytes);
            channel_->submit({io::operation::write, offset_ + position_ % ring_bytes,
                              buffer_.span().first(block_bytes), 0});
            position_ += block_bytes;
            ++in_flight_;
        }
        return reap();
    }
    void finish() {
        while (in_flight_ > 0) {
            reap();
        }
    }

  private:
    std::uint64_t reap() {
        std::array<io::completion, blocks_at_once> done;
        std::size_t count = 0;
        while (count == 0) {
            channel_->wait(1s);
            count = channel_->reap(done);
        }
        in_flight_ -= static_cast<unsigned>(count);
        if (std::any_of(done.begin(), done.begin() + static_cast<std::ptrdiff_t>(count),
                        [](const io::completion& each) { return each.error != 0; })) {
            throw setup_error(exit_failed, "writing by hand failed");
        }
        return count * block_bytes;
    }

    std::unique_ptr<io::block_device> device_;
    io::aligned_buffer buffer_{block_bytes};
    std::unique_ptr<io::channel> channel_;
    std::uint64_t offset_ = 0;
    std::uint64_t position_ = 0;
    unsigned in_flight_ = 0;
};

nlohmann::json wide_stretch(node& writer, bare_device& from, const std::string& target,
                            const round_settings& rounds) {
    wide_writer to(target);
    auto found = by_hand_stretch(writer, rounds, [&] { return to.copy(from); });
    to.finish();
    return found;
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
    bare_device source(ring.volume, spare_slot);
    bare_device remote(target, spare_slot);
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
        row["dd"] = dd_stretch(writer, source, remote, rounds);
        row["wide"] = wide_stretch(writer, source, target, rounds);
        row["lag"] = lag_stretch(writer, ring, target, rounds);
        row["read"] = times_of(50, [&] { source.read(4096); });
        row["write"] = times_of(50, [&] { remote.write(4096); });
        row["steal"] = watch.share();
        found.push_back(std::move(row));
    }
    return {{"block_bytes", block_bytes}, {"rounds", found}};
}

}  // namespace diskhb::bench
