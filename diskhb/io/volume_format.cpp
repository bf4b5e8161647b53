// SPDX-License-Identifier: BSD-3-Clause
#include "io/volume_format.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace diskhb::io {
namespace {

using boost::system::error_code;

constexpr std::uint64_t chunk_bytes_max = 1 << 20;
// RAID metadata and the second partition table lie this near to the end (md 0.90: 128 KiB).
constexpr std::uint64_t cleared_tail_bytes = 256 << 10;

struct extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

// What must be zero on a new volume, in the order of writing.
std::vector<extent> extents_to_clear(const format::geometry& measures, std::uint64_t device_bytes,
                                     bool fill_rings) {
    std::vector<extent> all;
    // Both superblocks of an earlier volume first, so that it is gone before its tables are.
    all.push_back({0, measures.rings_offset()});
    const std::uint64_t end = device_bytes / measures.block_bytes * measures.block_bytes;
    all.push_back({end - cleared_tail_bytes, cleared_tail_bytes});
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        all.push_back({measures.ring_offset(slot),
                       fill_rings ? measures.ring_bytes : std::uint64_t{measures.block_bytes}});
    }
    return all;
}

class volume_writer {
  public:
    volume_writer(block_device& device, const format::superblock& content,
                  const format_options& options)
        : content_(content),
          options_(options),
          channel_(device.make_channel(1)),
          zeros_(std::make_unique<aligned_buffer>(chunk_bytes_max)),
          work_(std::make_unique<aligned_buffer>(chunk_bytes_max)),
          clear_(extents_to_clear(content.measures, device.size_bytes(), options.fill_rings)) {
        for (const extent& each : clear_) {
            all_bytes_ += 2 * each.bytes;
        }
    }

    error_code run() {
        const std::uint64_t copy_offset = content_.measures.superblock_copy_offset();
        error_code error = over_all_extents(operation::write);
        error = error ? error : flush();
        error = error ? error : over_all_extents(operation::read);
        error = error ? error : write_superblock(copy_offset);
        error = error ? error : flush();
        error = error ? error : write_superblock(0);
        error = error ? error : flush();
        if (error == errc::timed_out) {
            // The kernel may still use them.
            [[maybe_unused]] auto* const kept = channel_.release();
            [[maybe_unused]] auto* const zeros = zeros_.release();
            [[maybe_unused]] auto* const work = work_.release();
        }
        return error;
    }

  private:
    error_code flush() { return options_.flush ? options_.flush() : error_code(); }

    error_code over_all_extents(operation what) {
        error_code error;
        for (const extent& each : clear_) {
            for (std::uint64_t at = 0; at < each.bytes && !error; at += chunk_bytes_max) {
                const std::uint64_t bytes = std::min(chunk_bytes_max, each.bytes - at);
                error = what == operation::write ? clear(each.offset + at, bytes)
                                                 : expect_zeros(each.offset + at, bytes);
                done_bytes_ += bytes;
                if (options_.progress) {
                    options_.progress(done_bytes_, all_bytes_);
                }
            }
        }
        return error;
    }

    error_code clear(std::uint64_t offset, std::uint64_t bytes) {
        return transfer(*channel_, {operation::write, offset, zeros_->span().first(bytes), 0},
                        options_.timeout);
    }

    error_code read(std::uint64_t offset, std::span<std::byte> into) {
        // Something else than what is expected, so that a read that reads nothing is noticed.
        std::ranges::fill(into, std::byte{0x5a});
        return transfer(*channel_, {operation::read, offset, into, 0}, options_.timeout);
    }

    error_code expect_zeros(std::uint64_t offset, std::uint64_t bytes) {
        const auto found = work_->span().first(bytes);
        if (const auto error = read(offset, found)) {
            return error;
        }
        const bool zero =
            std::ranges::all_of(found, [](std::byte each) { return each == std::byte{0}; });
        return zero ? error_code() : error_code(errc::io_failed);
    }

    error_code write_superblock(std::uint64_t offset) {
        const auto block = work_->span().first(content_.measures.block_bytes);
        format::encode_superblock(block, content_, offset);
        if (const auto error =
                transfer(*channel_, {operation::write, offset, block, 0}, options_.timeout)) {
            return error;
        }
        if (const auto error = read(offset, block)) {
            return error;
        }
        const auto found = format::decode_superblock(block, offset);
        return found && *found == content_ ? error_code() : error_code(errc::io_failed);
    }

    const format::superblock& content_;
    const format_options& options_;
    std::unique_ptr<channel> channel_;
    std::unique_ptr<aligned_buffer> zeros_;
    std::unique_ptr<aligned_buffer> work_;
    std::vector<extent> clear_;
    std::uint64_t done_bytes_ = 0;
    std::uint64_t all_bytes_ = 0;
};

}  // namespace

std::uint64_t needed_bytes(std::uint32_t block_bytes, std::uint16_t slots,
                           std::uint64_t ring_bytes) noexcept {
    return format::geometry{block_bytes, slots, ring_bytes, 0}.needed_bytes();
}

std::uint64_t smallest_ring_bytes(std::uint32_t block_bytes) noexcept {
    constexpr std::uint64_t ample_bytes = 8 * format::ring_bytes_max;
    std::uint64_t ring_bytes = format::ring_bytes_min;
    while (ring_bytes < format::ring_bytes_max &&
           !format::make_geometry(block_bytes, format::slots_min, ring_bytes, ample_bytes)) {
        ring_bytes *= 2;
    }
    return ring_bytes;
}

std::optional<std::uint64_t> largest_ring_bytes(std::uint32_t block_bytes, std::uint16_t slots,
                                                std::uint64_t device_bytes) noexcept {
    for (std::uint64_t ring_bytes = default_ring_bytes_max; ring_bytes >= format::ring_bytes_min;
         ring_bytes /= 2) {
        if (format::make_geometry(block_bytes, slots, ring_bytes, device_bytes)) {
            return ring_bytes;
        }
    }
    return std::nullopt;
}

format::superblock make_superblock(const std::string& cluster_name,
                                   const format::geometry& measures, format::uuid random,
                                   std::uint64_t now_s) {
    random[6] = static_cast<std::uint8_t>((random[6] & 0x0f) | 0x40);
    random[8] = static_cast<std::uint8_t>((random[8] & 0x3f) | 0x80);
    format::superblock made;
    made.cluster = random;
    made.cluster_name = cluster_name;
    made.measures = measures;
    made.formatted_at_s = now_s;
    return made;
}

boost::system::error_code write_volume(block_device& device, const format::superblock& content,
                                       const format_options& options) {
    return volume_writer(device, content, options).run();
}

}  // namespace diskhb::io
