// SPDX-License-Identifier: BSD-3-Clause
#include "io/volume.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace diskhb::io {
namespace {

using format::block_bytes_max;
using format::block_bytes_min;

// Reads whose device did not answer in time. The kernel may still write into their buffers, so
// these are kept until the answer comes, or for ever. One list a thread, since a channel belongs
// to the thread that used it.
class hanging_reads {
  public:
    struct read {
        std::unique_ptr<channel> on;
        std::unique_ptr<aligned_buffer> into;
    };

    ~hanging_reads() {
        for (read& left : reads_) {
            // Leaked on purpose: the thread ends, the I/O does not.
            [[maybe_unused]] auto* const buffer = left.into.release();
        }
    }

    void keep(read hanging) { reads_.push_back(std::move(hanging)); }

    bool has_room() {
        std::erase_if(reads_, [](read& hanging) {
            std::array<completion, 1> done{};
            return hanging.on->reap(done) == 1;
        });
        return reads_.size() < reads_max;
    }

  private:
    static constexpr std::size_t reads_max = 4;
    std::vector<read> reads_;
};

thread_local hanging_reads hanging;

result<std::unique_ptr<aligned_buffer>> read_bytes(block_device& device, std::uint64_t offset,
                                                   std::size_t bytes,
                                                   std::chrono::nanoseconds timeout) {
    if (!hanging.has_room()) {
        return errc::timed_out;
    }
    hanging_reads::read parts{device.make_channel(1), std::make_unique<aligned_buffer>(bytes)};
    const auto error =
        transfer(*parts.on, {operation::read, offset, parts.into->span(), 0}, timeout);
    if (error == errc::timed_out) {
        hanging.keep(std::move(parts));
    }
    if (error) {
        return error;
    }
    return std::move(parts.into);
}

std::uint64_t round_down(std::uint64_t bytes, std::uint64_t unit) noexcept {
    return bytes / unit * unit;
}

result<format::superblock> read_first(block_device& device, std::chrono::nanoseconds timeout) {
    const std::uint64_t bytes = std::min<std::uint64_t>(
        superblock_head_bytes, round_down(device.size_bytes(), device.block_bytes()));
    if (bytes < block_bytes_min) {
        return errc::bad_magic;  // no room for a superblock, so there never was one
    }
    const auto head = read_bytes(device, 0, bytes, timeout);
    if (!head) {
        return head.error();
    }
    return format::decode_superblock((*head)->span(), 0);
}

// The copy, when the first superblock could be read.
result<format::superblock> read_copy(block_device& device, const format::geometry& measures,
                                     std::chrono::nanoseconds timeout) {
    const std::uint64_t offset = measures.superblock_copy_offset();
    if (device.size_bytes() < measures.volume_bytes ||
        device.block_bytes() > measures.block_bytes) {
        return errc::truncated;
    }
    const auto block = read_bytes(device, offset, measures.block_bytes, timeout);
    if (!block) {
        return block.error();
    }
    return format::decode_superblock((*block)->span(), offset);
}

result<format::superblock> search_copy(block_device& device, std::chrono::nanoseconds timeout) {
    const std::uint64_t offset = superblock_tail_offset(device.size_bytes());
    const std::uint64_t end = round_down(device.size_bytes(), device.block_bytes());
    if (end - offset < block_bytes_min) {
        return errc::bad_magic;
    }
    const auto tail = read_bytes(device, offset, end - offset, timeout);
    if (!tail) {
        return tail.error();
    }
    return find_superblock_copy((*tail)->span(), device.size_bytes());
}

}  // namespace

std::uint64_t superblock_tail_offset(std::uint64_t device_bytes) noexcept {
    const std::uint64_t end = round_down(device_bytes, block_bytes_max);
    return end < block_bytes_max ? 0 : end - block_bytes_max;
}

result<format::superblock> find_superblock_copy(std::span<const std::byte> tail,
                                                std::uint64_t device_bytes) {
    const std::uint64_t tail_offset = superblock_tail_offset(device_bytes);
    boost::system::error_code likely = errc::empty_block;
    for (std::uint64_t block_bytes = block_bytes_min; block_bytes <= block_bytes_max;
         block_bytes *= 2) {
        const std::uint64_t end = round_down(device_bytes, block_bytes);
        if (end < block_bytes || end - block_bytes < tail_offset ||
            end - tail_offset > tail.size()) {
            continue;
        }
        const std::uint64_t offset = end - block_bytes;
        auto found =
            format::decode_superblock(tail.subspan(offset - tail_offset, block_bytes), offset);
        if (found) {
            return found;
        }
        // A damaged superblock tells more than the other places where none ever was.
        if (found.error() != errc::empty_block && found.error() != errc::bad_magic) {
            likely = found.error();
        }
    }
    return likely;
}

superblock_pair read_superblocks(block_device& device, std::chrono::nanoseconds timeout) {
    auto first = read_first(device, timeout);
    auto copy = first ? read_copy(device, first->measures, timeout) : search_copy(device, timeout);
    return {std::move(first), std::move(copy)};
}

boost::system::error_code check_superblock(const format::superblock& found,
                                           std::uint64_t device_bytes,
                                           std::uint32_t device_block_bytes,
                                           const std::string& cluster_name) noexcept {
    if (device_bytes < found.measures.volume_bytes) {
        return errc::truncated;
    }
    if (device_block_bytes > found.measures.block_bytes) {
        return errc::malformed;
    }
    if (!cluster_name.empty() && cluster_name != found.cluster_name) {
        return errc::wrong_cluster;
    }
    return {};
}

result<opened_volume> open_volume(device_source& source, const std::string& cluster_name,
                                  std::chrono::nanoseconds timeout) {
    if (!hanging.has_room()) {
        return errc::timed_out;
    }
    auto device = source.open();
    if (!device) {
        return device.error();
    }
    auto found = read_first(**device, timeout);
    // The second read only when needed: a volume that hangs is not asked twice.
    if (!found && found.error() != errc::timed_out) {
        if (auto copy = search_copy(**device, timeout)) {
            found = std::move(copy);
        }
    }
    if (!found) {
        return found.error();
    }
    if (const auto error = check_superblock(*found, (*device)->size_bytes(),
                                            (*device)->block_bytes(), cluster_name)) {
        return error;
    }
    return opened_volume{std::move(*device), std::move(*found)};
}

}  // namespace diskhb::io
