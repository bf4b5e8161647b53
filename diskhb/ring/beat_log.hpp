// SPDX-License-Identifier: BSD-3-Clause
// Remembers when each of our last table blocks was encoded. The flusher's thread writes it, the
// receivers' threads ask: a peer's block that echoes a beat of ours was encoded later than that
// beat. All memory is taken at construction; the lock is held for a few instructions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace diskhb::ring {

class beat_log {
  public:
    static constexpr std::uint64_t recent_beats = 4096;
    static constexpr std::uint64_t sparse_beats = 64;  // before these, each 64th is kept
    static constexpr std::uint64_t sparse_entries = 4096;

    // The flusher's thread: a new life of ours begins; what was before is forgotten.
    void begin(std::uint64_t incarnation) noexcept {
        const std::lock_guard guard(lock_);
        incarnation_ = incarnation;
        kept_->recent.fill({});
        kept_->sparse.fill({});
    }
    // The flusher's thread: this beat of the present life is encoded at now_ns by our clock.
    void on_encoded(std::uint64_t beat, std::uint64_t now_ns) noexcept {
        const std::lock_guard guard(lock_);
        kept_->recent[beat % recent_beats] = {beat, now_ns};
        if (beat % sparse_beats == 0) {
            kept_->sparse[beat / sparse_beats % sparse_entries] = {beat, now_ns};
        }
    }

    // Any thread. A time that is not after the encoding of that beat of ours, as late as we know:
    // exact for the last recent_beats, that of one of the 63 beats before it for older ones.
    // Nothing for another life of ours, for a beat that never was, and for what is forgotten.
    std::optional<std::uint64_t> encoded_ns(std::uint64_t incarnation,
                                            std::uint64_t beat) const noexcept {
        const std::lock_guard guard(lock_);
        if (incarnation == 0 || incarnation != incarnation_) {
            return std::nullopt;
        }
        const entry& exact = kept_->recent[beat % recent_beats];
        if (exact.time_ns != 0 && exact.beat == beat) {
            return exact.time_ns;
        }
        const std::uint64_t before = beat / sparse_beats * sparse_beats;
        const entry& rough = kept_->sparse[before / sparse_beats % sparse_entries];
        // A beat of the future has no exact entry; one of the past has been overwritten there.
        const bool was_written = exact.time_ns != 0 && exact.beat > beat;
        if (was_written && rough.time_ns != 0 && rough.beat == before) {
            return rough.time_ns;
        }
        return std::nullopt;
    }

    std::size_t memory_bytes() const noexcept { return sizeof(entries); }

  private:
    struct entry {
        std::uint64_t beat = 0;
        std::uint64_t time_ns = 0;  // 0: none
    };
    struct entries {
        std::array<entry, recent_beats> recent{};
        std::array<entry, sparse_entries> sparse{};
    };

    mutable std::mutex lock_;
    std::uint64_t incarnation_ = 0;
    std::unique_ptr<entries> kept_ = std::make_unique<entries>();
};

}  // namespace diskhb::ring
