// SPDX-License-Identifier: BSD-3-Clause
#include "stream_record.hpp"

#include <isa-l.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <ctime>

namespace lab {

namespace {

// More than any run sends: a damaged sequence must not make the book grow without bound.
constexpr std::uint64_t sequences_max = 1ULL << 32;

std::uint32_t crc32c(std::span<const unsigned char> bytes, std::uint32_t start) {
    // ISA-L takes a pointer to non-const but only reads.
    return crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()),
                       start);
}

std::uint32_t message_crc(std::span<const unsigned char> message) {
    constexpr std::array<unsigned char, sizeof(std::uint32_t)> zero{};
    return crc32c(message.subspan(zero.size()), crc32c(zero, ~0U));
}

}  // namespace

std::int64_t now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void encode(const message_head& head, std::span<unsigned char> message) {
    // Odd multiplier: every sequence gives another pattern.
    std::uint64_t word = (head.sequence + head.node_id) * 0x9e3779b97f4a7c15ULL;
    std::span<unsigned char> rest = message.subspan(sizeof head);
    for (std::size_t at = 0; at < rest.size(); at += sizeof word) {
        std::memcpy(rest.data() + at, &word, std::min(sizeof word, rest.size() - at));
        word += 0x9e3779b97f4a7c15ULL;
    }
    message_head sealed = head;
    std::memcpy(message.data(), &sealed, sizeof sealed);
    sealed.crc32c = message_crc(message);
    std::memcpy(message.data(), &sealed, sizeof sealed);
}

std::optional<message_head> decode(std::span<const unsigned char> message, std::uint32_t node_id) {
    message_head head;
    if (message.size() < sizeof head) {
        return std::nullopt;
    }
    std::memcpy(&head, message.data(), sizeof head);
    const bool known = head.kind == message_kind::data || head.kind == message_kind::last;
    if (head.magic != message_head{}.magic || head.crc32c != message_crc(message) || !known ||
        head.node_id != node_id || head.sequence >= sequences_max) {
        return std::nullopt;
    }
    return head;
}

void histogram::add(std::int64_t ns) {
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

std::int64_t histogram::percentile_us(double fraction) const {
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

void sender_record::accept(const message_head& head, std::int64_t at_ns) {
    note_delivery(at_ns);
    if (head.kind == message_kind::last) {
        sent_ = head.sequence;
        return;
    }
    if (head.sequence >= seen_.size()) {
        seen_.resize(head.sequence + 1);
    } else if (seen_[head.sequence]) {
        ++duplicated_;
        return;
    } else {
        ++reordered_;
    }
    seen_[head.sequence] = true;
    ++received_;
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

}  // namespace lab
