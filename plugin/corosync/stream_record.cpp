// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/stream_record.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace diskhb::corosync {

void latency_histogram::add(std::int64_t ns) {
    const std::int64_t us = std::max<std::int64_t>(ns, 0) / 1000;
    const auto value = static_cast<std::uint64_t>(us);
    // Values below `steps` have a step each; above, the five bits after the leading one choose.
    std::uint64_t index = value;
    if (value >= steps) {
        const auto shift = static_cast<std::uint64_t>(std::bit_width(value)) - 6;
        index = (shift + 1) * steps + ((value >> shift) - steps);
    }
    ++counts_[std::min<std::uint64_t>(index, counts_.size() - 1)];
    ++total_;
    max_us_ = std::max(max_us_, us);
}

std::int64_t latency_histogram::percentile_us(double fraction) const {
    const auto wanted =
        static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
    std::uint64_t counted = 0;
    for (std::uint64_t index = 0; index < counts_.size(); ++index) {
        counted += counts_[index];
        if (counted >= wanted && counted > 0) {
            const std::uint64_t octave = index / steps;
            const std::uint64_t upper =
                octave == 0 ? index : ((index % steps + steps + 1) << (octave - 1)) - 1;
            return std::min(static_cast<std::int64_t>(upper), max_us_);
        }
    }
    return 0;
}

void sender_record::accept(std::uint64_t sequence, std::int64_t at_ns) {
    if (sequence >= sequences_max_) {
        ++corrupt_;
        return;
    }
    note_delivery(at_ns);
    if (sequence >= seen_.size()) {
        seen_.resize(sequence + 1);
    } else if (seen_[sequence]) {
        ++duplicated_;
        return;
    } else {
        ++reordered_;
    }
    seen_[sequence] = true;
    ++received_;
}

void sender_record::accept_last(std::uint64_t count, std::int64_t at_ns) {
    if (count > sequences_max_ || count < seen_.size()) {
        ++corrupt_;
        return;
    }
    note_delivery(at_ns);
    sent_ = count;
}

void sender_record::close(std::int64_t at_ns) {
    if (!sent_ && last_at_ns_ != 0) {
        note_delivery(at_ns);
    }
}

void sender_record::note_delivery(std::int64_t at_ns) {
    if (last_at_ns_ != 0 && at_ns - last_at_ns_ > longest_gap_ns_) {
        longest_gap_ns_ = at_ns - last_at_ns_;
        longest_gap_at_ns_ = last_at_ns_;
    }
    last_at_ns_ = at_ns;
}

}  // namespace diskhb::corosync
