// SPDX-License-Identifier: BSD-3-Clause
#include "tools/volume_meter.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <thread>

#include "tools/volume_access.hpp"

namespace diskhb::tools {
namespace {

using std::chrono::steady_clock;

constexpr auto pace = std::chrono::milliseconds(2);
constexpr auto progress_interval = std::chrono::milliseconds(100);

std::uint64_t since_ns(steady_clock::time_point start) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(steady_clock::now() - start).count());
}

// Writes to the scratch block, as long as the volume is the one that was opened.
class scratch_writer {
  public:
    scratch_writer(const std::string& path, const format::superblock& volume)
        : path_(path),
          volume_(volume),
          device_(open_device(path, io::path_source::access::read_write)),
          channel_(device_->make_channel(1)),
          block_(std::make_unique<io::aligned_buffer>(volume.measures.block_bytes)),
          reader_(path, *device_, volume.measures.block_bytes) {
        // Storage may store zeros, or what compresses well, in another way than a beat.
        std::mt19937 random{1};
        for (std::byte& each : block_->span()) {
            each = static_cast<std::byte>(random());
        }
    }

    ~scratch_writer() {
        if (hangs_) {
            // Left to the kernel, which may still read from the buffer.
            [[maybe_unused]] auto* const channel = channel_.release();
            [[maybe_unused]] auto* const block = block_.release();
        }
    }
    scratch_writer(const scratch_writer&) = delete;
    scratch_writer& operator=(const scratch_writer&) = delete;

    // Returns how long the write took, in ns.
    std::uint64_t write() {
        const auto head = reader_.read(0, volume_.measures.block_bytes);
        const auto now = format::decode_superblock(head, 0);
        // With other measures, the scratch block of before can be somebody's.
        if (!now || *now != volume_) {
            throw setup_error(exit_volume,
                              fmt::format("{}: the first superblock is not, or no longer, the one "
                                          "that was opened: nothing is written here",
                                          path_));
        }
        const auto start = steady_clock::now();
        const auto error = io::transfer(
            *channel_, {io::operation::write, volume_.measures.scratch_offset(), block_->span(), 0},
            io_patience);
        const auto took_ns = since_ns(start);
        hangs_ = error == errc::timed_out;
        if (error) {
            throw volume_error(path_, error);
        }
        return took_ns;
    }

  private:
    const std::string path_;
    const format::superblock volume_;
    std::unique_ptr<io::block_device> device_;
    std::unique_ptr<io::channel> channel_;
    std::unique_ptr<io::aligned_buffer> block_;
    volume_reader reader_;
    bool hangs_ = false;
};

}  // namespace

io_times summarise_times(std::vector<std::uint64_t> times_ns) {
    if (times_ns.empty()) {
        return {};
    }
    std::sort(times_ns.begin(), times_ns.end());
    const auto at_share_us = [&](double share) {
        const auto last = static_cast<double>(times_ns.size() - 1);
        return static_cast<double>(times_ns[static_cast<std::size_t>(share * last + 0.5)]) / 1000;
    };
    return {times_ns.size(), at_share_us(0.5), at_share_us(0.99), at_share_us(0.999),
            at_share_us(1)};
}

volume_times measure_volume(const meter_settings& settings) {
    const auto opened = open_for_reading(settings.path);
    const auto& measures = opened.superblock.measures;
    volume_reader reader(settings.path, *opened.device, measures.table_bytes());
    std::optional<scratch_writer> writer;
    if (!settings.read_only) {
        writer.emplace(settings.path, opened.superblock);
    }
    std::vector<std::uint64_t> read_ns;
    std::vector<std::uint64_t> write_ns;
    const auto begin = steady_clock::now();
    auto shown = begin;
    for (auto now = begin; now < begin + settings.time; now = steady_clock::now()) {
        reader.read(measures.table_offset(), measures.table_bytes());
        read_ns.push_back(since_ns(now));
        if (writer) {
            write_ns.push_back(writer->write());
        }
        if (settings.progress && now - shown >= progress_interval) {
            shown = now;
            if (!settings.progress(
                    std::chrono::duration_cast<std::chrono::milliseconds>(now - begin))) {
                break;
            }
        }
        std::this_thread::sleep_until(now + pace);
    }
    volume_times found{opened.superblock, summarise_times(std::move(read_ns)), std::nullopt};
    if (writer) {
        found.write = summarise_times(std::move(write_ns));
    }
    return found;
}

}  // namespace diskhb::tools
