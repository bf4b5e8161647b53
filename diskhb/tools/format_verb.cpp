// SPDX-License-Identifier: BSD-3-Clause
// diskhb format: makes a volume, after everything that speaks against it was looked at.
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "io/same_place.hpp"
#include "io/volume_format.hpp"
#include "tools/device_facts.hpp"
#include "tools/live_nodes.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

// How long a volume must be quiet before --force may take it.
constexpr auto watch_time = std::chrono::seconds(2);

struct format_command {
    std::string path;
    std::string cluster;
    std::string copy_of;  // a volume whose copy this one is to hold
    unsigned slots = 16;
    std::string ring_size;
    bool force = false;
    bool json = false;
};

[[noreturn]] void refuse_usage(const std::string& message) {
    throw setup_error(exit_usage, message);
}

void check_cluster_name(const std::string& name) {
    if (name.empty() || name.size() > format::cluster_name_bytes_max || printable(name) != name) {
        refuse_usage(fmt::format("--cluster '{}': a name has 1 to {} printable ASCII characters",
                                 printable(name), format::cluster_name_bytes_max));
    }
}

void check_slots(unsigned slots) {
    if (slots < format::slots_min || slots > format::slots_max) {
        refuse_usage(fmt::format("--slots {}: must be {} to {}", slots, format::slots_min,
                                 format::slots_max));
    }
}

void check_ring_bytes(std::uint64_t bytes) {
    if (bytes < format::ring_bytes_min || bytes > format::ring_bytes_max) {
        refuse_usage(fmt::format("--ring-size {}: must be {} to {}", size_text(bytes),
                                 size_text(format::ring_bytes_min),
                                 size_text(format::ring_bytes_max)));
    }
    if (!std::has_single_bit(bytes)) {
        refuse_usage(fmt::format(
            "--ring-size {}: must be a power of two; the nearest are {} and {}", size_text(bytes),
            size_text(std::bit_floor(bytes)), size_text(std::bit_ceil(bytes))));
    }
}

std::uint32_t choose_block_bytes(const claim& claimed, const io::block_device& device,
                                 const std::string& path) {
    const auto sectors = sectors_of(claimed.fd());
    const std::uint32_t largest = std::max({format::block_bytes_min, device.block_bytes(),
                                            sectors.logical_bytes, sectors.physical_bytes});
    if (largest > format::block_bytes_max) {
        throw setup_error(exit_volume,
                          fmt::format("{}: its blocks of {} are larger than {}", path,
                                      size_text(largest), size_text(format::block_bytes_max)));
    }
    return std::bit_ceil(largest);
}

// `wanted_ring_bytes` 0: the largest that fits.
format::geometry choose_geometry(const std::string& path, std::uint32_t block_bytes,
                                 std::uint16_t slots, std::uint64_t wanted_ring_bytes,
                                 std::uint64_t device_bytes) {
    const std::uint64_t ring_bytes = wanted_ring_bytes != 0
                                         ? wanted_ring_bytes
                                         : io::largest_ring_bytes(block_bytes, slots, device_bytes)
                                               .value_or(io::smallest_ring_bytes(block_bytes));
    if (ring_bytes < io::smallest_ring_bytes(block_bytes)) {
        refuse_usage(fmt::format(
            "--ring-size {}: must be {} or more with blocks of {}", size_text(ring_bytes),
            size_text(io::smallest_ring_bytes(block_bytes)), size_text(block_bytes)));
    }
    if (slots > format::slots_most(block_bytes)) {
        refuse_usage(fmt::format("--slots {}: must be at most {} with blocks of {}", slots,
                                 format::slots_most(block_bytes), size_text(block_bytes)));
    }
    const auto measures = format::make_geometry(block_bytes, slots, ring_bytes, device_bytes);
    if (!measures) {
        throw setup_error(
            exit_volume,
            fmt::format("{}: too small: {} slots with rings of {} need {} bytes, it has {}", path,
                        slots, size_text(ring_bytes),
                        io::needed_bytes(block_bytes, slots, ring_bytes), device_bytes));
    }
    return *measures;
}

// What --force would destroy: an earlier diskhb volume, file systems, partition tables.
std::string describe_content(const std::string& object, const std::string& path,
                             const io::superblock_pair& earlier) {
    std::string content = known_content(object, path);
    if (const auto& found = earlier.best()) {
        const auto volume =
            fmt::format("a diskhb volume of cluster {}", printable(found->cluster_name));
        content = content.empty() ? volume : volume + " and " + content;
    }
    return content;
}

void refuse_live_volume(const std::string& path, io::block_device& device,
                        const format::superblock& earlier) {
    if (io::check_superblock(earlier, device.size_bytes(), device.block_bytes(), "")) {
        return;  // no node can use it
    }
    fmt::print(stderr, "diskhb: {}: watching for some seconds that no node is alive on it\n", path);
    const auto alive = nodes_alive(path, device, earlier, watch_time);
    if (!alive.empty()) {
        throw setup_error(
            exit_in_use,
            fmt::format("{}: in use: node {} of cluster {} is alive on it; stop diskhbd and "
                        "diskhb-quorumd there first",
                        path, fmt::join(alive, ", "), printable(earlier.cluster_name)));
    }
}

void refuse_or_announce(const format_command& command, const std::string& content) {
    if (content.empty()) {
        return;
    }
    if (!command.force) {
        throw setup_error(exit_in_use,
                          fmt::format("{}: holds {}; --force destroys it", command.path, content));
    }
    fmt::print(stderr, "diskhb: {}: destroying {}\n", command.path, content);
}

format::uuid random_uuid() {
    format::uuid random{};
    if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        throw setup_error(exit_failed, "the kernel gives no random numbers");
    }
    return random;
}

// One line that is written over, once it has lasted long enough to be worth it.
class progress_line {
  public:
    void show(std::uint64_t done_bytes, std::uint64_t all_bytes) {
        const auto now = std::chrono::steady_clock::now();
        if (now - start_ < std::chrono::seconds(2) || now - shown_ < std::chrono::seconds(1)) {
            return;
        }
        shown_ = now;
        fmt::print(stderr, "{}diskhb: {} % written and checked{}", on_terminal_ ? "\r" : "",
                   done_bytes * 100 / all_bytes, on_terminal_ ? "" : "\n");
        std::fflush(stderr);
    }
    ~progress_line() {
        if (on_terminal_ && shown_ != std::chrono::steady_clock::time_point()) {
            fmt::print(stderr, "\n");
        }
    }

  private:
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point shown_{};
    bool on_terminal_ = isatty(STDERR_FILENO) == 1;
};

void write(const format_command& command, const claim& claimed, io::block_device& device,
           const format::superblock& content) {
    progress_line line;
    io::format_options options;
    options.fill_rings = !claimed.is_block_device();
    options.flush = [&claimed] {
        return fsync(claimed.fd()) == 0
                   ? boost::system::error_code()
                   : boost::system::error_code(errno, boost::system::system_category());
    };
    options.progress = [&line](std::uint64_t done, std::uint64_t all) { line.show(done, all); };
    const auto error = io::write_volume(device, content, options);
    if (error == errc::io_failed) {
        throw setup_error(exit_volume,
                          fmt::format("{}: reads back something else than was written; the device "
                                      "or its cache is at fault",
                                      command.path));
    }
    if (error) {
        throw setup_error(exit_volume,
                          fmt::format("{}: not formatted: {}", command.path, error.message()));
    }
}

// The volume that is to be copied, as it lies on its device now.
format::superblock read_original(const format_command& command) {
    if (io::is_same_place(command.path, command.copy_of)) {
        refuse_usage(
            fmt::format("{}: is the volume itself that --copy-of names", printable(command.path)));
    }
    return open_for_reading(command.copy_of).superblock;
}

// Its superblock must fit the target as it is: a copy has the same bytes at the same places.
void check_copy_fits(const format_command& command, const format::superblock& original,
                     std::uint32_t block_bytes, const io::block_device& device) {
    const auto& measures = original.measures;
    if (device.size_bytes() < measures.volume_bytes) {
        throw setup_error(
            exit_volume,
            fmt::format("{}: too small for a copy of {}: it has {} bytes, {} are "
                        "needed",
                        command.path, command.copy_of, device.size_bytes(), measures.volume_bytes));
    }
    if (block_bytes > measures.block_bytes) {
        throw setup_error(exit_volume,
                          fmt::format("{}: its blocks of {} are larger than those of {}, {}: "
                                      "format the send volume with the larger blocks of both",
                                      command.path, size_text(block_bytes), command.copy_of,
                                      size_text(measures.block_bytes)));
    }
}

void report(const format_command& command, const format::superblock& made) {
    const auto& measures = made.measures;
    if (command.json) {
        nlohmann::ordered_json text = superblock_json(made);
        text["volume"] = printable(command.path);
        fmt::print("{}\n", text.dump(2));
    } else if (!command.copy_of.empty()) {
        fmt::print("{}: ready to hold a copy of {}: cluster {}, {} slots, rings of {}\n",
                   command.path, command.copy_of, printable(made.cluster_name), measures.slots,
                   size_text(measures.ring_bytes));
    } else {
        fmt::print("{}: a volume for cluster {} with {} slots, rings of {}, blocks of {}\n",
                   command.path, command.cluster, measures.slots, size_text(measures.ring_bytes),
                   size_text(measures.block_bytes));
    }
}

// A new volume as the command line asks for it, or the same as the original of a copy.
format::superblock choose_superblock(const format_command& command, const claim& claimed,
                                     const io::block_device& device) {
    const std::uint32_t block_bytes = choose_block_bytes(claimed, device, command.path);
    if (!command.copy_of.empty()) {
        auto original = read_original(command);
        check_copy_fits(command, original, block_bytes, device);
        return original;
    }
    const std::uint64_t ring_bytes =
        command.ring_size.empty() ? 0 : parse_size("--ring-size", command.ring_size);
    const auto measures =
        choose_geometry(command.path, block_bytes, static_cast<std::uint16_t>(command.slots),
                        ring_bytes, device.size_bytes());
    return io::make_superblock(command.cluster, measures, random_uuid(),
                               static_cast<std::uint64_t>(std::time(nullptr)));
}

void check_usage(const format_command& command) {
    if (!command.copy_of.empty()) {
        return;
    }
    if (command.cluster.empty()) {
        refuse_usage("--cluster '': a name is needed, as in corosync.conf; or --copy-of VOLUME");
    }
    check_cluster_name(command.cluster);
    check_slots(command.slots);
    if (!command.ring_size.empty()) {
        check_ring_bytes(parse_size("--ring-size", command.ring_size));
    }
}

int run_format(const format_command& command) {
    check_usage(command);
    const claim claimed(command.path);
    // The very object that was claimed, even if the path should lead elsewhere by now.
    const auto object = fmt::format("/proc/self/fd/{}", claimed.fd());
    const auto device = open_device(object, io::path_source::access::read_write);
    const auto superblock = choose_superblock(command, claimed, *device);
    const auto earlier = io::read_superblocks(*device, io_patience);
    const auto content = describe_content(object, command.path, earlier);
    if (command.force && earlier.best()) {
        refuse_live_volume(command.path, *device, *earlier.best());
    }
    refuse_or_announce(command, content);
    write(command, claimed, *device, superblock);
    report(command, superblock);
    return exit_ok;
}

}  // namespace

verb add_format(CLI::App& app) {
    auto options = std::make_shared<format_command>();
    CLI::App* const command =
        app.add_subcommand("format", "Make a volume of a block device or a file");
    command->add_option("VOLUME", options->path, "the device, best by /dev/disk/by-id, or file")
        ->required();
    auto* const cluster =
        command->add_option("--cluster", options->cluster, "cluster_name as in corosync.conf");
    auto* const slots =
        command->add_option("--slots", options->slots, "highest node id that can take part")
            ->capture_default_str();
    auto* const ring_size = command->add_option(
        "--ring-size", options->ring_size, "bytes of each node's ring, a power of two such as 4M");
    command
        ->add_option("--copy-of", options->copy_of,
                     "make it ready to hold a copy of this volume, as a target of diskhb-copyd")
        ->excludes(cluster)
        ->excludes(slots)
        ->excludes(ring_size);
    command->add_flag("--force", options->force, "destroy what the device holds now");
    command->add_flag("--json", options->json, "print the result as JSON");
    return {command, [options] { return run_format(*options); }};
}

}  // namespace diskhb::tools
