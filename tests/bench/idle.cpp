// SPDX-License-Identifier: BSD-3-Clause
// Counts, not times: what nodes with nothing to say do to the device, which noise cannot touch.
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <optional>
#include <thread>

#include "measurements.hpp"
#include "measuring.hpp"

namespace diskhb::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto slow_poll = 100ms;  // of the nodes that only fill the volume

struct device_counts {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
};

// /sys/dev/block/MAJOR:MINOR/stat: reads, merges, sectors, ms, writes, ... (the kernel's
// Documentation/block/stat.rst). Nothing for a file.
std::optional<device_counts> kernel_counts(const std::string& volume) {
    struct stat status {};
    if (::stat(volume.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) {
        return std::nullopt;
    }
    std::ifstream file(
        fmt::format("/sys/dev/block/{}:{}/stat", major(status.st_rdev), minor(status.st_rdev)));
    device_counts found;
    std::uint64_t skipped = 0;
    file >> found.reads >> skipped >> skipped >> skipped >> found.writes;
    return found;
}

double cpu_s() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::vector<std::unique_ptr<node>> start_nodes(const ring_settings& ring, std::uint16_t count) {
    std::vector<std::unique_ptr<node>> all;
    for (std::uint32_t id = 1; id <= count; ++id) {
        auto options = options_for(ring, id);
        for (std::uint32_t peer = 1; peer <= count; ++peer) {
            if (peer != id) {
                options.peers.push_back(peer);
            }
        }
        if (id > 2) {
            options.poll_idle = slow_poll;
        }
        options.queue_bytes = 512 << 10;
        options.receive_bytes = 512 << 10;
        options.batch_bytes = 256 << 10;
        options.message_window_bytes = 0;
        all.push_back(std::make_unique<node>(ring.volume, options));
        all.back()->start();
    }
    return all;
}

bool all_hear(const std::vector<std::unique_ptr<node>>& all) {
    for (const auto& each : all) {
        const auto now = each->statistics();
        for (const auto& peer : now.peers) {
            if (now.state != ring_state::running || peer.state != peer_state::alive) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace

nlohmann::json measure_idle(const ring_settings& ring, std::uint16_t nodes, unsigned seconds) {
    make_volume(ring.volume, std::max<std::uint16_t>(nodes, 2), 512 << 10);
    const auto all = start_nodes(ring, nodes);
    for (int turn = 0; turn < 300 && !all_hear(all); ++turn) {
        std::this_thread::sleep_for(100ms);
    }
    if (!all_hear(all)) {
        throw setup_error(exit_failed, fmt::format("{}: {} nodes do not all hear each other",
                                                   ring.volume, nodes));
    }
    std::this_thread::sleep_for(1s);  // from now on nothing is hot
    const steal_watch watch;
    const auto before = all[0]->statistics();
    const auto kernel_before = kernel_counts(ring.volume);
    const double cpu_before_s = cpu_s();
    const std::uint64_t start_ns = now_ns();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const auto after = all[0]->statistics();
    const double time_s = static_cast<double>(now_ns() - start_ns) / 1e9;
    const auto kernel_after = kernel_counts(ring.volume);
    const auto rate = [&](counter first, counter second) {
        return static_cast<double>(after[first] + after[second] - before[first] - before[second]) /
               time_s;
    };
    const double expected_reads = 1e6 / ring.poll_idle_us;
    const double expected_writes = 1e3 / ring.beat_ms;
    nlohmann::json found = {{"nodes", nodes},
                            {"reads_per_s", rate(counter::table_reads, counter::ring_reads)},
                            {"writes_per_s", rate(counter::table_writes, counter::ring_writes)},
                            {"expected_reads_per_s", expected_reads},
                            {"expected_writes_per_s", expected_writes},
                            {"cpu_share_per_node", (cpu_s() - cpu_before_s) / time_s / nodes},
                            {"steal", watch.share()}};
    if (kernel_before && kernel_after) {
        const auto per_s = [&](std::uint64_t count) { return static_cast<double>(count) / time_s; };
        const double slow = static_cast<double>((nodes - 2) * (1s / slow_poll));
        found["device_reads_per_s"] = per_s(kernel_after->reads - kernel_before->reads);
        found["device_writes_per_s"] = per_s(kernel_after->writes - kernel_before->writes);
        found["expected_device_reads_per_s"] = 2 * expected_reads + slow;
        found["expected_device_writes_per_s"] = nodes * expected_writes;
    }
    return found;
}

}  // namespace diskhb::bench
