// SPDX-License-Identifier: BSD-3-Clause
// Keeps the bytes of messages until nobody needs them: in large chunks that are used again, since a
// heap that gives memory back and asks for it anew costs more than the copy. One thread at a time,
// also for what is given out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "channel/wire.hpp"
#include "format/crc32c.hpp"

namespace diskhb::channels {

class payload_store {
  public:
    struct kept {
        std::shared_ptr<const std::byte[]> bytes;
        std::size_t size = 0;
        std::uint32_t crc = 0;  // CRC32C
    };

    // A copy of a message of up to max_message_bytes. Its place is used again when the last
    // `bytes` of its chunk is gone; messages should go in the order in which they came.
    kept copy(std::span<const std::byte> message) {
        auto* const to = place_for(message.size());
        format::crc32c sum;
        for (std::size_t at = 0; at < message.size(); at += step_bytes) {
            const auto part = message.subspan(at, std::min(step_bytes, message.size() - at));
            std::memcpy(to + at, part.data(), part.size());
            sum.update({to + at, part.size()});
        }
        return {{chunks_[current_], to}, message.size(), sum.value()};
    }

  private:
    static constexpr std::size_t chunk_bytes = max_message_bytes;
    // What is summed up is still in the nearest cache.
    static constexpr std::size_t step_bytes = 8 * 1024;

    std::byte* place_for(std::size_t size) {
        if (!chunks_.empty() && chunks_[current_].use_count() == 1) {
            used_bytes_ = 0;  // nothing of it is needed any more
        }
        if (chunks_.empty() || used_bytes_ + size > chunk_bytes) {
            next_chunk();
        }
        auto* const place = chunks_[current_].get() + used_bytes_;
        used_bytes_ += size;
        return place;
    }

    // The oldest one if it is free, else another.
    void next_chunk() {
        const auto oldest = chunks_.empty() ? 0 : (current_ + 1) % chunks_.size();
        if (chunks_.empty() || chunks_[oldest].use_count() > 1) {
            const auto behind = chunks_.empty() ? 0 : current_ + 1;
            chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(behind),
                           std::make_shared_for_overwrite<std::byte[]>(chunk_bytes));
            current_ = behind;
        } else {
            current_ = oldest;
        }
        used_bytes_ = 0;
    }

    std::vector<std::shared_ptr<std::byte[]>> chunks_;  // in the order of their use, as a ring
    std::size_t current_ = 0;
    std::size_t used_bytes_ = 0;  // of the current one
};

}  // namespace diskhb::channels
